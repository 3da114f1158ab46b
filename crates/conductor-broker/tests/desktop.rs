//! SystemControl through the broker: each operation needs its name in the scope, and a desktop that hangs holds up no
//! other call.

#![expect(clippy::expect_used, reason = "a test that cannot be set up fails, outside its test function too")]

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use conductor_abi::{
    CapabilityRequest, MediaKey, MediaPress, MuteChange, Notification, Op, Risk, Status, VolumeChange,
    VolumeState,
};
use conductor_broker::devices::{Desktop, DesktopError, Devices};
use conductor_broker::{Broker, Session};
use conductor_call::Answer;
use conductor_call::Limits;
use conductor_policy::grant::{Ceilings, Choices, Grants};
use conductor_signing::TrustLevel;

/// Longest wait for something that usually takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Every operation, with its name in scopes.
const OPERATIONS: [(Op, &str); 6] = [
    (Op::Volume, "volume"),
    (Op::Mute, "mute"),
    (Op::MediaKey, "media"),
    (Op::Notify, "notify"),
    (Op::LockScreen, "lock"),
    (Op::OpenUrl, "open-url"),
];

/// A desktop that records what it is asked for, and blocks when told to.
#[derive(Default)]
struct Recorded {
    deeds: Mutex<Vec<String>>,
    hangs: Mutex<bool>,
    goes_on: Condvar,
}

impl Recorded {
    fn deed<T>(&self, deed: String, answer: T) -> Result<T, DesktopError> {
        self.deeds.lock().expect("deeds").push(deed);
        let hangs = self.hangs.lock().expect("hangs");
        let (hangs, _) = self.goes_on.wait_timeout_while(hangs, PATIENCE, |hangs| *hangs).expect("hangs");
        assert!(!*hangs, "the test lets it go on");
        Ok(answer)
    }

    fn hang(&self, hang: bool) {
        *self.hangs.lock().expect("hangs") = hang;
        self.goes_on.notify_all();
    }

    fn deeds(&self) -> Vec<String> {
        self.deeds.lock().expect("deeds").clone()
    }
}

const STATE: VolumeState = VolumeState { level: 0.5, muted: false };

impl Desktop for Recorded {
    fn volume(&self, change: VolumeChange) -> Result<VolumeState, DesktopError> {
        self.deed(format!("volume {change:?}"), STATE)
    }

    fn mute(&self, change: MuteChange) -> Result<VolumeState, DesktopError> {
        self.deed(format!("mute {change:?}"), STATE)
    }

    fn media(&self, key: MediaKey, player: Option<&str>) -> Result<String, DesktopError> {
        self.deed(format!("media {key:?} {player:?}"), "mpv".to_owned())
    }

    fn notify(&self, summary: &str, body: &str) -> Result<(), DesktopError> {
        self.deed(format!("notify {summary} | {body}"), ())
    }

    fn lock(&self) -> Result<(), DesktopError> {
        self.deed("lock".to_owned(), ())
    }

    fn open_url(&self, url: &str) -> Result<(), DesktopError> {
        self.deed(format!("open {url}"), ())
    }
}

fn grants(granted: Option<&str>) -> Grants {
    let all = OPERATIONS.map(|(_, name)| name).join(",");
    let request = CapabilityRequest { name: "SystemControl".into(), scope: Some(all), reason: None };
    let configured =
        granted.map(|scope| format!("SystemControl={scope}").parse().expect("a grant")).into_iter().collect();
    let choices = Choices { configured, ..Choices::default() };
    let ceilings = Ceilings { unsigned: Risk::High, self_signed: Risk::High, trusted: None };
    Grants::resolve(&[request], &choices, &TrustLevel::Unsigned, ceilings).expect("grants")
}

fn session_on(desktop: Arc<dyn Desktop>, granted: Option<&str>) -> Arc<Session> {
    let devices = Devices { desktop, ..Devices::default() };
    Broker::new(devices).session("test", grants(granted), &Limits::default())
}

fn session(granted: &str) -> (Arc<Session>, Arc<Recorded>) {
    let desktop = Arc::new(Recorded::default());
    (session_on(Arc::clone(&desktop) as _, Some(granted)), desktop)
}

fn request(op: Op) -> Vec<u8> {
    if op == Op::OpenUrl {
        return b"https://example.org/a".to_vec();
    }
    #[expect(clippy::wildcard_enum_match_arm, reason = "the one that is left has an empty request")]
    let encoded = match op {
        Op::Volume => postcard::to_allocvec(&VolumeChange::Set(0.25)),
        Op::Mute => postcard::to_allocvec(&MuteChange::Toggle),
        Op::MediaKey => postcard::to_allocvec(&MediaPress { key: MediaKey::Next, player: "mpv" }),
        Op::Notify => postcard::to_allocvec(&Notification { summary: "done", body: "<b>" }),
        _ => Ok(Vec::new()),
    };
    encoded.expect("encodes")
}

fn ask(session: &Session, op: Op) -> Answer {
    session.call(op.number(), &request(op), Instant::now() + PATIENCE)
}

fn text(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.bytes).into_owned()
}

#[test]
fn each_operation_needs_its_own_name_in_the_scope() {
    for (op, name) in OPERATIONS {
        let (session, desktop) = session(name);
        for (other, other_name) in OPERATIONS {
            let answer = ask(&session, other);
            if other == op {
                assert_eq!(answer.status, Status::Ok, "{name}: {}", text(&answer));
            } else {
                assert_eq!(answer.status, Status::Denied, "{name} is granted, {other_name} was done");
                assert!(text(&answer).contains(other_name), "{}", text(&answer));
            }
        }
        assert_eq!(desktop.deeds().len(), 1, "{:?}", desktop.deeds());
    }
}

#[test]
fn the_desktop_is_told_what_the_plugin_said() {
    let (session, desktop) = session("volume,mute,media,notify,lock,open-url");
    let answers = OPERATIONS.map(|(op, _)| ask(&session, op));
    assert_eq!(postcard::from_bytes(&answers[0].bytes), Ok(STATE));
    assert_eq!(postcard::from_bytes::<&str>(&answers[2].bytes), Ok("mpv"));
    assert_eq!(
        desktop.deeds(),
        [
            "volume Set(0.25)",
            "mute Toggle",
            "media Next Some(\"mpv\")",
            "notify test: done | <b>",
            "lock",
            "open https://example.org/a",
        ]
    );
}

#[test]
fn a_host_without_a_desktop_says_so() {
    let session = session_on(Devices::default().desktop, Some("lock"));
    let answer = ask(&session, Op::LockScreen);
    assert_eq!(answer.status, Status::Unavailable);
    assert_eq!(
        text(&answer),
        "SystemControl: `lock` is unavailable here, because this host reaches no desktop"
    );
}

#[test]
fn what_takes_the_screen_away_is_bounded() {
    let (session, desktop) = session("notify,open-url,lock");
    for (op, max) in [(Op::Notify, 10), (Op::OpenUrl, 10), (Op::LockScreen, 2)] {
        for _ in 0..max {
            assert_eq!(ask(&session, op).status, Status::Ok);
        }
        let refused = ask(&session, op);
        assert_eq!(refused.status, Status::RateLimited);
        assert!(text(&refused).contains(&format!("at most {max} times in a minute")), "{}", text(&refused));
    }
    assert_eq!(desktop.deeds().len(), 22);
}

#[test]
fn a_desktop_that_hangs_costs_no_more_than_a_few_threads() {
    let (session, desktop) = session("volume");
    desktop.hang(true);
    let soon = || Instant::now() + Duration::from_millis(20);
    for _ in 0..4 {
        assert_eq!(session.call(Op::Volume.number(), &request(Op::Volume), soon()).status, Status::TimedOut);
    }
    let refused = ask(&session, Op::Volume);
    assert_eq!(refused.status, Status::RateLimited);
    assert!(text(&refused).contains("4 operations are under way"), "{}", text(&refused));
    desktop.hang(false);
    let deadline = Instant::now() + PATIENCE;
    while ask(&session, Op::Volume).status != Status::Ok {
        assert!(Instant::now() < deadline, "places are given back");
    }
}

#[test]
fn a_wait_ends_when_the_grant_is_taken_away() {
    let (session, desktop) = session("volume");
    desktop.hang(true);
    let waiting = std::thread::spawn({
        let session = Arc::clone(&session);
        move || ask(&session, Op::Volume)
    });
    while desktop.deeds().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    session.set_grants(grants(None));
    assert_eq!(waiting.join().expect("an answer").status, Status::Denied);
    desktop.hang(false);
}

//! Who may use the page: one-time tokens that open the page, and the sessions that are given for them.
//!
//! A token has 256 random bits and is handed out once; only its SHA-256 is kept.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use conductor_signing::Digest;
use data_encoding::BASE64URL_NOPAD;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::{Zeroize as _, Zeroizing};

/// How long a one-time token can be exchanged: long enough for a browser to start.
const INVITATION_LASTS: Duration = Duration::from_secs(60);

/// How long a session lasts, if the daemon does not end earlier.
const SESSION_LASTS: Duration = Duration::from_secs(12 * 60 * 60);

/// Most one-time tokens at once. A further token ends the oldest.
const MAX_INVITATIONS: usize = 8;

/// Most sessions at once. A further session ends the oldest.
const MAX_SESSIONS: usize = 16;

/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;

/// Longest text that is looked at as a token. A longer text is no token and is not hashed.
const MAX_TOKEN_TEXT: usize = 128;

/// The tokens of one run of the daemon.
pub(super) struct Access {
    port: u16,
    tokens: Mutex<Tokens>,
}

#[derive(Default)]
struct Tokens {
    invitations: Kept<MAX_INVITATIONS>,
    sessions: Kept<MAX_SESSIONS>,
}

/// Proof that a request carries the token of a session that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Session(Digest);

impl Access {
    /// Tokens for the page at `port`; there are none yet.
    pub(super) fn new(port: u16) -> Self {
        Self { port, tokens: Mutex::default() }
    }

    /// An address that opens the page once, if it is used soon. The token is in the fragment, which browsers do not
    /// send to servers.
    ///
    /// # Errors
    ///
    /// Fails if the system has no random numbers.
    pub(super) fn invite(&self) -> Result<String, getrandom::Error> {
        let token = new_token()?;
        self.tokens().invitations.keep(&token, Instant::now() + INVITATION_LASTS);
        Ok(format!("http://127.0.0.1:{}/#token={}", self.port, *token))
    }

    /// Whether a one-time token could be exchanged now. The token is not used up by this.
    pub(super) fn is_invited(&self, token: &str, now: Instant) -> bool {
        digest_of(token).is_some_and(|digest| self.tokens().invitations.find(digest, now).is_some())
    }

    /// Exchanges a one-time token for the token of a session. `None` if the token is unknown, used or too old.
    ///
    /// # Errors
    ///
    /// Fails if the system has no random numbers; the one-time token is used up all the same.
    pub(super) fn redeem(
        &self,
        token: &str,
        now: Instant,
    ) -> Result<Option<Zeroizing<String>>, getrandom::Error> {
        let mut tokens = self.tokens();
        if !tokens.invitations.take(token, now) {
            return Ok(None);
        }
        let session = new_token()?;
        tokens.sessions.keep(&session, now + SESSION_LASTS);
        Ok(Some(session))
    }

    /// The session that a token belongs to.
    pub(super) fn session(&self, token: &str, now: Instant) -> Option<Session> {
        let digest = digest_of(token)?;
        self.tokens().sessions.find(digest, now).map(|_| Session(digest))
    }

    /// Whether a session goes on.
    pub(super) fn goes_on(&self, Session(digest): Session, now: Instant) -> bool {
        self.tokens().sessions.find(digest, now).is_some()
    }

    fn tokens(&self) -> MutexGuard<'_, Tokens> {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is kept of at most `MAX` tokens: their digests, and until when each token is good. The oldest comes first.
#[derive(Default)]
struct Kept<const MAX: usize>(Vec<(Digest, Instant)>);

impl<const MAX: usize> Kept<MAX> {
    fn keep(&mut self, token: &str, until: Instant) {
        if self.0.len() >= MAX {
            self.0.remove(0);
        }
        self.0.push((Digest::from_bytes(token.as_bytes()), until));
    }

    /// Uses a token up. Returns whether the token was good.
    fn take(&mut self, token: &str, now: Instant) -> bool {
        let found = digest_of(token).and_then(|digest| self.find(digest, now));
        if let Some(place) = found {
            self.0.remove(place);
        }
        found.is_some()
    }

    /// The place of a token. It is compared with every kept token in constant time, so that timing tells nothing.
    fn find(&mut self, digest: Digest, now: Instant) -> Option<usize> {
        self.0.retain(|(_, until)| *until > now);
        let mut found = None;
        for (place, (kept, _)) in self.0.iter().enumerate() {
            let same: Choice = kept.as_bytes().ct_eq(digest.as_bytes());
            if bool::from(same) {
                found = Some(place);
            }
        }
        found
    }
}

fn digest_of(token: &str) -> Option<Digest> {
    (token.len() <= MAX_TOKEN_TEXT).then(|| Digest::from_bytes(token.as_bytes()))
}

fn new_token() -> Result<Zeroizing<String>, getrandom::Error> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes)?;
    let token = Zeroizing::new(BASE64URL_NOPAD.encode(&bytes));
    bytes.zeroize();
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invited(access: &Access) -> String {
        let address = access.invite().expect("random numbers");
        let (page, token) = address.split_once("#token=").expect("a fragment");
        assert_eq!(page, "http://127.0.0.1:4140/");
        token.to_owned()
    }

    #[test]
    fn a_one_time_token_is_good_once_and_for_a_while() {
        let access = Access::new(4140);
        let (now, token) = (Instant::now(), invited(&access));
        assert_eq!(token.len(), 43);
        for wrong in ["", "x", &token[1..], &token.to_lowercase(), &"a".repeat(200)] {
            assert!(access.redeem(wrong, now).expect("random numbers").is_none(), "{wrong}");
        }
        let session = access.redeem(&token, now).expect("random numbers").expect("a session");
        assert!(access.redeem(&token, now).expect("random numbers").is_none(), "it was used");
        assert_ne!(*session, token);
        assert!(access.session(&token, now).is_none(), "it opens no session by itself");

        let late = invited(&access);
        assert!(access.redeem(&late, now + INVITATION_LASTS * 2).expect("random numbers").is_none());
    }

    #[test]
    fn a_session_ends_with_time_and_when_there_are_too_many() {
        let access = Access::new(4140);
        let now = Instant::now();
        let open = || access.redeem(&invited(&access), now).expect("random numbers").expect("a session");
        let first = open();
        let proof = access.session(&first, now).expect("a session");
        assert!(access.goes_on(proof, now) && access.session(&first.to_uppercase(), now).is_none());
        let others: Vec<_> = (0..MAX_SESSIONS).map(|_| open()).collect();
        assert!(!access.goes_on(proof, now) && access.session(&first, now).is_none(), "the oldest ended");
        assert!(others.iter().all(|other| access.session(other, now).is_some()));
        assert!(access.session(&others[0], now + SESSION_LASTS).is_none(), "it is over");
    }

    #[test]
    fn invitations_are_bounded() {
        let access = Access::new(4140);
        let first = invited(&access);
        let last = (0..MAX_INVITATIONS).map(|_| invited(&access)).last().expect("one");
        let now = Instant::now();
        assert!(access.redeem(&first, now).expect("random numbers").is_none());
        assert!(access.redeem(&last, now).expect("random numbers").is_some());
    }
}

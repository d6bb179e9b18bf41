//! Who the client is: a user with a password, or time-limited credentials made of a secret shared with the server
//! (draft-uberti-behave-turn-rest-00, as coturn's `use-auth-secret`). Pure.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

/// A user's name and password (RFC 8489 §9.2).
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// USERNAME.
    pub user: String,
    /// Never sent.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Credentials {
    /// Credentials that run out at `expiry`, seconds since 1970: the name is `expiry:user`, or `expiry` alone; the password
    /// is the Base64 of the name's HMAC-SHA1 under the secret.
    pub fn time_limited(secret: &str, user: Option<&str>, expiry: u64) -> Credentials {
        let user = match user {
            Some(user) => format!("{expiry}:{user}"),
            None => expiry.to_string(),
        };
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes());
        let password = BASE64_STANDARD.encode(hmac::sign(&key, user.as_bytes()).as_ref());
        Credentials { user, password }
    }

    /// When credentials of this form run out, seconds since 1970; none when the name is of another form.
    pub fn expiry(&self) -> Option<u64> {
        let first = self.user.split(':').next()?;
        // Ten digits: from 2001 to 2286. A shorter number is rather a telephone extension.
        (first.len() == 10).then(|| first.parse().ok()).flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `printf %s NAME | openssl dgst -sha1 -hmac SECRET -binary | base64`.
    #[test]
    fn time_limited_credentials_are_as_openssl_computes_them() {
        let c = Credentials::time_limited("north", Some("alice"), 1_700_000_000);
        assert_eq!((c.user.as_str(), c.password.as_str()), ("1700000000:alice", "Cd/49soE35ICqcJF/bCTn8Z4OyE="));
        let c = Credentials::time_limited("north", None, 1_700_000_000);
        assert_eq!((c.user.as_str(), c.password.as_str()), ("1700000000", "CWyHi3zCeWqXBir9thl4m+iZPRY="));
        assert_eq!(c.expiry(), Some(1_700_000_000));
        assert!(!format!("{c:?}").contains(&c.password));
    }

    #[test]
    fn ordinary_names_have_no_expiry() {
        for user in ["alice", "4711", "2024-alice", ""] {
            assert_eq!(Credentials { user: user.to_owned(), password: String::new() }.expiry(), None, "{user}");
        }
    }
}

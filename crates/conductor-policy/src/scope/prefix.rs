//! Networks in their written form: `203.0.113.0/24`, `2001:db8::/32`, or a single address.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// All addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkPrefix {
    address: IpAddr,
    length: u8,
}

impl NetworkPrefix {
    /// The network that contains an address; `None` if the length is 0 or more than the number of an address's bits.
    #[must_use]
    pub fn of(address: IpAddr, length: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(address) => {
                let cut = bits_left(32, length)?;
                IpAddr::V4(Ipv4Addr::from_bits(address.to_bits().checked_shr(cut)?.checked_shl(cut)?))
            }
            IpAddr::V6(address) => {
                let cut = bits_left(128, length)?;
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits().checked_shr(cut)?.checked_shl(cut)?))
            }
        };
        Some(Self { address, length })
    }

    /// Whether an address is in this network.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4() && Self::of(address, self.length) == Some(*self)
    }

    /// The first address of the network.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// How many bits the addresses have in common.
    #[must_use]
    pub const fn length(&self) -> u8 {
        self.length
    }
}

/// Bits that a prefix of this length leaves open; `None` for a length of 0, because a whole address family is no
/// network.
fn bits_left(all: u8, length: u8) -> Option<u32> {
    all.checked_sub(length).filter(|_| length > 0).map(u32::from)
}

impl fmt::Display for NetworkPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for NetworkPrefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| PrefixError::Address)?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let length = match length {
            None => all,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().map_err(|_| PrefixError::Length { all })?
            }
            Some(_) => return Err(PrefixError::Length { all }),
        };
        let prefix = Self::of(address, length).ok_or(PrefixError::Length { all })?;
        if prefix.address == address { Ok(prefix) } else { Err(PrefixError::Host { prefix }) }
    }
}

/// Why a text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PrefixError {
    /// The text before the slash is not an address.
    #[error("not an address; write a network such as `203.0.113.0/24` or `2001:db8::/32`")]
    Address,
    /// The length is not a number of bits of the address.
    #[error("the number after `/` must be from 1 to {all}")]
    Length {
        /// Bits of an address.
        all: u8,
    },
    /// The address has bits beyond the length that are not 0.
    #[error("the address goes on after the prefix; the network is `{prefix}`")]
    Host {
        /// The network that the user probably meant.
        prefix: NetworkPrefix,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_what_begins_as_it_does() {
        let contains = |prefix: &str, address: &str| {
            prefix.parse::<NetworkPrefix>().expect(prefix).contains(address.parse().expect(address))
        };
        assert!(contains("203.0.113.0/24", "203.0.113.255"));
        assert!(!contains("203.0.113.0/24", "203.0.114.0"));
        assert!(contains("203.0.113.7", "203.0.113.7"));
        assert!(!contains("203.0.113.7", "203.0.113.6"));
        assert!(contains("128.0.0.0/1", "255.255.255.255"));
        assert!(contains("2001:db8::/33", "2001:db8:7fff::1"));
        assert!(!contains("2001:db8::/33", "2001:db8:8000::1"));
        assert!(!contains("::/1", "1.2.3.4"));
    }

    #[test]
    fn what_is_no_network_is_refused_with_what_it_may_be() {
        let refused = |text: &str| text.parse::<NetworkPrefix>().expect_err(text).to_string();
        for text in ["", "/8", "example.com", "1.2.3/8", "1.2.3.4.5", "01.2.3.4"] {
            assert!(refused(text).starts_with("not an address"), "{text}");
        }
        for text in ["1.2.3.4/33", "1.2.3.4/", "1.2.3.4/+8", "0.0.0.0/0", "::/0", "::/129", "::/999"] {
            assert!(refused(text).starts_with("the number after `/`"), "{text}: {}", refused(text));
        }
        assert_eq!(
            refused("10.1.2.3/8"),
            "the address goes on after the prefix; the network is `10.0.0.0/8`"
        );
    }
}

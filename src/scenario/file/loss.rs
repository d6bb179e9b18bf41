//! Loss as scenario files write it: `"5%"`, or `{ up = "20%", down = "5%" }`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::READ_AS;

/// A share of packets, in hundredths of a percent: 0 to 10000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(pub u16);

/// The text is not a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a share is a percentage from 0% to 100% with at most two decimals, such as \"5%\" or \"0.25%\"")]
pub struct NotAShare;

impl FromStr for Share {
    type Err = NotAShare;

    fn from_str(text: &str) -> Result<Self, NotAShare> {
        let number = text.strip_suffix('%').ok_or(NotAShare)?.trim_end();
        let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |s: &str, most: usize| (1..=most).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole, 3) || !digits(decimals, 2) {
            return Err(NotAShare);
        }
        let whole: u16 = whole.parse().map_err(|_| NotAShare)?;
        let scale = if decimals.len() == 1 { 10 } else { 1 };
        let decimals: u16 = decimals.parse().map_err(|_| NotAShare)?;
        match u32::from(whole) * 100 + u32::from(decimals * scale) {
            hundredths @ 0..=10_000 => u16::try_from(hundredths).map(Share).map_err(|_| NotAShare),
            _ => Err(NotAShare),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, part) if part % 10 == 0 => write!(f, "{whole}.{}%", part / 10),
            (whole, part) => write!(f, "{whole}.{part:02}%"),
        }
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,2})? *%$", READ_AS: "share" })
    }
}

/// What a link loses: a share of the packets of both directions, or one share for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Loss {
    /// As much in both directions.
    Both(Share),
    /// Each direction for itself.
    Each(LossTable),
}

impl Loss {
    /// Up, then down.
    pub fn shares(&self) -> [Share; 2] {
        match self {
            Loss::Both(share) => [*share; 2],
            Loss::Each(each) => [each.up.unwrap_or_default(), each.down.unwrap_or_default()],
        }
    }
}

/// What a link loses, each direction for itself. It is the link that leads from a node towards the Internet. Packets are
/// lost one by one and by chance, and the chance is the kernel's own: no seed makes it repeatable. NATs are measured before
/// anything is lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[schemars(inline)]
pub struct LossTable {
    /// Away from the node, towards the Internet. Without it none.
    pub up: Option<Share>,
    /// Towards the node. Without it none.
    pub down: Option<Share>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn shares_are_read_and_written() {
        for (text, hundredths, again) in [
            ("5%", 500, "5%"),
            ("0.25%", 25, "0.25%"),
            ("12.5 %", 1250, "12.5%"),
            ("100%", 10_000, "100%"),
            ("0%", 0, "0%"),
        ] {
            assert_eq!(text.parse(), Ok(Share(hundredths)), "{text}");
            assert_eq!(Share(hundredths).to_string(), again);
        }
        for text in ["", "5", "%", "101%", "100.01%", "-1%", "0.125%", "1e1%", "5%%", "999%", ".5%"] {
            assert_eq!(text.parse::<Share>(), Err(NotAShare), "{text}");
        }
    }
}

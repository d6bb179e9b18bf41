//! Durations as scenario files write them: `"400ms"`, `"1.5s"`, `"2m"`, `"1h"`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::READ_AS;

/// A duration in whole milliseconds, at most a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

/// The text is not a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotADuration {
    /// Not a number with a unit.
    #[error("a duration is a number and a unit, such as \"400ms\", \"1.5s\" or \"2m\"")]
    Form,
    /// No unit at all.
    #[error("a duration needs a unit: ms, s, m or h")]
    Unit,
    /// A fraction of a millisecond.
    #[error("a duration cannot be finer than a millisecond")]
    TooFine,
    /// More than a day.
    #[error("a duration cannot be longer than 24h")]
    TooLong,
}

/// What a unit is in milliseconds, the longest first.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
const LONGEST: u64 = 24 * 3_600_000;

impl FromStr for Millis {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |s: &str| !s.is_empty() && s.len() <= 12 && s.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) {
            return Err(NotADuration::Form);
        }
        let unit = unit.trim_start();
        if unit.is_empty() {
            return Err(NotADuration::Unit);
        }
        let per = UNITS.iter().find(|(name, _)| *name == unit).ok_or(NotADuration::Form)?.1;
        // At most 12 digits each and at most 3.6e6 per unit: far inside 64 bits, the fraction's product inside 128.
        let whole: u64 = whole.parse().map_err(|_| NotADuration::Form)?;
        let scale = 10u128.pow(u32::try_from(fraction.len()).unwrap_or(12));
        let fraction: u128 = fraction.parse().map_err(|_| NotADuration::Form)?;
        let part = fraction * u128::from(per);
        if !part.is_multiple_of(scale) {
            return Err(NotADuration::TooFine);
        }
        let part = u64::try_from(part / scale).map_err(|_| NotADuration::TooLong)?;
        match whole.checked_mul(per).and_then(|ms| ms.checked_add(part)) {
            Some(ms) if ms <= LONGEST => Ok(Millis(ms)),
            _ => Err(NotADuration::TooLong),
        }
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match UNITS.iter().find(|(_, per)| self.0 > 0 && self.0.is_multiple_of(*per)) {
            Some((unit, per)) => write!(f, "{}{unit}", self.0 / per),
            None => f.write_str("0s"),
        }
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Millis {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": r"^[0-9]+(\.[0-9]+)? *(ms|s|m|h)$",
            READ_AS: "duration",
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        for (text, ms) in [
            ("400ms", 400),
            ("2s", 2_000),
            ("1.5s", 1_500),
            ("1m", 60_000),
            ("0.5 h", 1_800_000),
            ("24h", LONGEST),
            ("0ms", 0),
        ] {
            assert_eq!(text.parse::<Millis>(), Ok(Millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_says_why() {
        use NotADuration as E;
        for (text, error) in [
            ("", E::Form),
            ("s", E::Form),
            ("-1s", E::Form),
            ("1.s", E::Form),
            ("1.2.3s", E::Form),
            ("2 weeks", E::Form),
            ("15", E::Unit),
            ("0.5ms", E::TooFine),
            ("25h", E::TooLong),
            ("999999999999h", E::TooLong),
            ("9999999999999s", E::Form),
        ] {
            assert_eq!(text.parse::<Millis>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_duration_is_written_in_its_largest_whole_unit() {
        for (ms, text) in
            [(0, "0s"), (400, "400ms"), (1_500, "1500ms"), (2_000, "2s"), (90_000, "90s"), (3_600_000, "1h")]
        {
            assert_eq!(Millis(ms).to_string(), text);
            assert_eq!(text.parse::<Millis>().unwrap(), Millis(ms));
        }
    }
}

//! How closely a picture is looked at: more views and tokens, and time.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How closely a picture is looked at. What it means is the tiling's; a tiling without a choice looks at all pictures alike.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Detail {
    /// As few views as the tiling can do with.
    Low,
    /// As the model was released.
    #[default]
    Auto,
    /// As many views as the tiling has.
    High,
    /// As many views as give at most so many visual tokens, but at least one.
    Tokens(usize),
}

impl Detail {
    /// Names of those that have one.
    pub const NAMES: [&'static str; 3] = ["low", "auto", "high"];

    /// The most visual tokens; none for those that are not told by a number.
    pub fn most_tokens(self) -> Option<usize> {
        match self {
            Detail::Tokens(tokens) => Some(tokens),
            _ => None,
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Detail::Low => f.write_str("low"),
            Detail::Auto => f.write_str("auto"),
            Detail::High => f.write_str("high"),
            Detail::Tokens(tokens) => tokens.fmt(f),
        }
    }
}

impl FromStr for Detail {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "low" => Ok(Detail::Low),
            "auto" => Ok(Detail::Auto),
            "high" => Ok(Detail::High),
            other => match other.parse() {
                Ok(tokens) if tokens > 0 => Ok(Detail::Tokens(tokens)),
                _ => {
                    Err("it must be low, auto, high, or the most visual tokens of a picture".into())
                }
            },
        }
    }
}

/// As a name or a number.
impl Serialize for Detail {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Detail::Tokens(tokens) => tokens.serialize(serializer),
            named => serializer.collect_str(named),
        }
    }
}

impl<'de> Deserialize<'de> for Detail {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DetailVisitor)
    }
}

struct DetailVisitor;

impl Visitor<'_> for DetailVisitor {
    type Value = Detail;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("low, auto, high, or a number of tokens")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Detail, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, tokens: u64) -> Result<Detail, E> {
        tokens.to_string().parse().map_err(E::custom)
    }

    /// As JavaScript's numbers arrive.
    fn visit_f64<E: de::Error>(self, tokens: f64) -> Result<Detail, E> {
        tokens.to_string().parse().map_err(E::custom)
    }
}

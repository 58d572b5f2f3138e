//! The fields of a JSON object, taken one by one, so that a wrong one can be named.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::refusal::Refusal;

/// An object, and where in the request it stands.
pub struct Fields {
    /// Empty for the request itself, else as `messages[0].`.
    place: String,
    map: Map<String, Value>,
}

impl Fields {
    /// The object at `place` (without a dot at its end; empty for the request itself).
    pub fn new(place: &str, value: Value) -> Result<Self, Refusal> {
        match (value, place) {
            (Value::Object(map), "") => Ok(Fields {
                place: String::new(),
                map,
            }),
            (Value::Object(map), _) => Ok(Fields {
                place: format!("{place}."),
                map,
            }),
            (_, "") => Err(Refusal::bad_request(
                "bad-value",
                "the request must be a JSON object",
            )),
            (_, _) => Err(Refusal::bad_value(
                place,
                format!("{place} must be an object"),
            )),
        }
    }

    /// The whole name of a field of it.
    pub fn name(&self, field: &str) -> String {
        format!("{}{field}", self.place)
    }

    /// Takes a field out; null is as good as none. `wanted` says what it must be.
    pub fn take<T: DeserializeOwned>(
        &mut self,
        field: &str,
        wanted: &str,
    ) -> Result<Option<T>, Refusal> {
        match self.map.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value).map(Some).map_err(|_| {
                let name = self.name(field);
                let message = format!("{name} must be {wanted}");
                Refusal::bad_value(name, message)
            }),
        }
    }

    /// Whether a field is there and says something.
    pub fn has(&self, field: &str) -> bool {
        self.map.get(field).is_some_and(|value| !value.is_null())
    }

    /// What was not taken, and says something.
    pub fn left(&self) -> impl Iterator<Item = (&str, &Value)> {
        let left = self.map.iter().filter(|(_, value)| !value.is_null());
        left.map(|(field, value)| (field.as_str(), value))
    }

    /// Takes a whole number out, which some languages write with a point (`5.0`) or a power (`1e9`).
    pub fn take_whole(&mut self, field: &str, wanted: &str) -> Result<Option<i128>, Refusal> {
        let Some(value) = self.take::<Value>(field, wanted)? else {
            return Ok(None);
        };
        let whole = value.as_i64().map(i128::from);
        let whole = whole.or_else(|| value.as_u64().map(i128::from));
        let whole = whole.or_else(|| {
            let number = value.as_f64().filter(|number| number.fract() == 0.0);
            number.map(|number| number as i128)
        });
        whole.map(Some).ok_or_else(|| {
            let name = self.name(field);
            let message = format!("{name} must be {wanted}");
            Refusal::bad_value(name, message)
        })
    }

    /// Takes a field out that must be there.
    pub fn need<T: DeserializeOwned>(&mut self, field: &str, wanted: &str) -> Result<T, Refusal> {
        self.take(field, wanted)?.ok_or_else(|| {
            let name = self.name(field);
            let message = format!("{name} is missing; it must be {wanted}");
            Refusal::bad_value(name, message)
        })
    }
}

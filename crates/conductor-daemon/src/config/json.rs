//! TOML values as JSON.

use serde_json::Value as Json;
use toml::de::DeValue;

/// A TOML value as JSON. Dates become strings. A value that JSON cannot hold is an error, returned with its offset.
pub(super) fn to_json(value: &DeValue<'_>, offset: usize) -> Result<Json, (usize, String)> {
    match value {
        DeValue::String(text) => Ok(Json::from(text.as_ref())),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix())
            .map(Json::from)
            .map_err(|_| (offset, format!("the number {integer} is too large"))),
        DeValue::Float(float) => float
            .as_str()
            .parse()
            .ok()
            .and_then(serde_json::Number::from_f64)
            .map(Json::Number)
            .ok_or_else(|| (offset, format!("JSON has no number {}", float.as_str()))),
        DeValue::Boolean(boolean) => Ok(Json::from(*boolean)),
        DeValue::Datetime(date) => Ok(Json::from(date.to_string())),
        DeValue::Array(array) => {
            array.iter().map(|entry| to_json(entry.get_ref(), entry.span().start)).collect()
        }
        DeValue::Table(table) => {
            let entries = table.iter().map(|(key, value)| {
                Ok((key.get_ref().to_string(), to_json(value.get_ref(), value.span().start)?))
            });
            entries.collect::<Result<_, _>>().map(Json::Object)
        }
    }
}

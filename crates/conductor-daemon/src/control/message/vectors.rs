//! What the standard says of JSON, section by section, held against the reader of requests.

#[path = "../../../../../tests/vectors/json/texts.rs"]
mod texts;

use super::Request;

#[test]
fn parameters_in_requests_are_read_as_the_standard_says() {
    texts::judge(false, |text| {
        let head = br#"{"version":1,"request":{"trigger":{"plugin":"a","action":"a","parameters":"#;
        let request = Request::from_line(&[&head[..], text, b"}}}"].concat()).ok()?;
        let Request::Trigger { parameters, .. } = request else { return None };
        Some(parameters)
    });
}

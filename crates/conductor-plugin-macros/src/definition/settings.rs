//! The syntax of settings and secrets.

use conductor_abi::{SecretSpec, SettingSpec, SettingType};
use proc_macro2::Span;
use serde_json::{Number, Value};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Ident, Lit, LitStr, Token, parenthesized};

use super::doc_comment;

/// `name: type`, `name: type(bounds) = default`, `name: secret type`, each with an optional doc comment.
pub(crate) struct SettingItem {
    pub(crate) spec: SettingSpec,
    pub(crate) span: Span,
}

/// `name("host", "host:port"): "reason"`.
pub(crate) struct SecretItem {
    pub(crate) spec: SecretSpec,
    pub(crate) span: Span,
}

impl Parse for SettingItem {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let description = doc_comment(&input.call(Attribute::parse_outer)?)?;
        let (name, span) = name(input)?;
        input.parse::<Token![:]>()?;
        let mut kind: Ident = input.call(Ident::parse_any)?;
        let secret = kind == "secret";
        if secret {
            kind = input.call(Ident::parse_any)?;
        }
        let mut spec = SettingSpec {
            name,
            kind: setting_type(&kind)?,
            min: None,
            max: None,
            max_length: None,
            choices: Vec::new(),
            default: None,
            description: description.map(|text| text.value()),
            secret,
        };
        if input.peek(syn::token::Paren) {
            let content;
            parenthesized!(content in input);
            bounds(&mut spec, &content)?;
        }
        if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            spec.default = Some(value(input)?);
        }
        Ok(Self { spec, span })
    }
}

impl Parse for SecretItem {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let (name, span) = name(input)?;
        let content;
        parenthesized!(content in input);
        let hosts = texts(&content)?;
        input.parse::<Token![:]>()?;
        let reason: LitStr = input.parse()?;
        Ok(Self { spec: SecretSpec { name, reason: Some(reason.value()), hosts }, span })
    }
}

/// A name, which is quoted if it is no identifier.
fn name(input: ParseStream<'_>) -> syn::Result<(String, Span)> {
    if input.peek(LitStr) {
        let name: LitStr = input.parse()?;
        return Ok((name.value(), name.span()));
    }
    let name: Ident = input.call(Ident::parse_any)?;
    Ok((name.to_string(), name.span()))
}

fn setting_type(kind: &Ident) -> syn::Result<SettingType> {
    let all = [
        SettingType::Bool,
        SettingType::Integer,
        SettingType::Number,
        SettingType::Text,
        SettingType::Choice,
    ];
    let found = all.into_iter().find(|known| kind == known.name());
    found.ok_or_else(|| {
        syn::Error::new(kind.span(), "unknown type; known are bool, integer, number, text and choice")
    })
}

/// What stands in parentheses after the type: `min..=max` for numbers, the most characters of a text, the choices.
fn bounds(spec: &mut SettingSpec, input: ParseStream<'_>) -> syn::Result<()> {
    match spec.kind {
        SettingType::Bool => return Err(input.error("a bool has no bounds")),
        SettingType::Integer | SettingType::Number => {
            if !input.peek(Token![..]) && !input.peek(Token![..=]) {
                spec.min = Some(number(input)?);
            }
            if input.peek(Token![..=]) {
                input.parse::<Token![..=]>()?;
                spec.max = Some(number(input)?);
            } else {
                input.parse::<Token![..]>()?;
            }
        }
        SettingType::Text => spec.max_length = Some(input.parse::<syn::LitInt>()?.base10_parse()?),
        SettingType::Choice => spec.choices = texts(input)?,
    }
    if input.is_empty() {
        Ok(())
    } else {
        Err(input.error("too much: write `min..=max`, a length or choices"))
    }
}

fn texts(input: ParseStream<'_>) -> syn::Result<Vec<String>> {
    let texts = Punctuated::<LitStr, Token![,]>::parse_terminated(input)?;
    Ok(texts.iter().map(LitStr::value).collect())
}

fn number(input: ParseStream<'_>) -> syn::Result<Number> {
    let span = input.span();
    match value(input)? {
        Value::Number(number) => Ok(number),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            Err(syn::Error::new(span, "expected a number"))
        }
    }
}

/// A literal: `true`, `-7`, `0.5`, `"text"`.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "these are the literals that JSON has, whatever Rust has more"
)]
fn value(input: ParseStream<'_>) -> syn::Result<Value> {
    let sign = if input.peek(Token![-]) {
        input.parse::<Token![-]>()?;
        "-"
    } else {
        ""
    };
    let literal: Lit = input.parse()?;
    let wrong = |text: &str| syn::Error::new(literal.span(), text.to_owned());
    match &literal {
        Lit::Int(whole) => {
            let whole = format!("{sign}{}", whole.base10_digits()).parse::<i64>();
            whole.map(Value::from).map_err(|error| wrong(&error.to_string()))
        }
        Lit::Float(float) => {
            let float = format!("{sign}{}", float.base10_digits()).parse().ok().and_then(Number::from_f64);
            float.map(Value::Number).ok_or_else(|| wrong("not a finite number"))
        }
        Lit::Bool(flag) if sign.is_empty() => Ok(Value::Bool(flag.value)),
        Lit::Str(text) if sign.is_empty() => Ok(Value::String(text.value())),
        _ => Err(wrong("expected true, false, a number or a text")),
    }
}

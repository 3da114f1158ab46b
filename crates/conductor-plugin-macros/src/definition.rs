//! The syntax of `plugin! { … }`.

mod settings;

use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, ExprLit, Ident, Lit, LitStr, Meta, Path, Token, braced, parenthesized};

pub(crate) use settings::{SecretItem, SettingItem};

/// Everything between the braces of `plugin! { … }`.
#[derive(Default)]
pub(crate) struct Definition {
    pub(crate) name: Option<LitStr>,
    pub(crate) version: Option<LitStr>,
    pub(crate) description: Option<LitStr>,
    pub(crate) author: Option<LitStr>,
    pub(crate) license: Option<LitStr>,
    pub(crate) capabilities: Vec<CapabilityItem>,
    pub(crate) settings: Vec<SettingItem>,
    pub(crate) secrets: Vec<SecretItem>,
    pub(crate) actions: Vec<ActionItem>,
    pub(crate) init: Option<Path>,
}

/// `Name: "reason"` or `Name("scope"): "reason"`.
pub(crate) struct CapabilityItem {
    pub(crate) name: Ident,
    pub(crate) scope: Option<LitStr>,
    pub(crate) reason: LitStr,
}

/// `function`, `function as "name"`, each with an optional `{ parameter: "description" }`.
pub(crate) struct ActionItem {
    pub(crate) description: Option<LitStr>,
    pub(crate) function: Path,
    pub(crate) name: LitStr,
    pub(crate) parameters: Vec<ParameterItem>,
}

/// `parameter: "description"`.
pub(crate) struct ParameterItem {
    pub(crate) name: Ident,
    pub(crate) description: LitStr,
}

impl Parse for Definition {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut definition = Self::default();
        let mut seen: Vec<String> = Vec::new();
        while !input.is_empty() {
            let field: Ident = input.parse()?;
            let name = field.to_string();
            if seen.contains(&name) {
                return Err(syn::Error::new(field.span(), format!("`{name}` is given twice")));
            }
            input.parse::<Token![:]>()?;
            match name.as_str() {
                "name" => definition.name = Some(input.parse()?),
                "version" => definition.version = Some(input.parse()?),
                "description" => definition.description = Some(input.parse()?),
                "author" => definition.author = Some(input.parse()?),
                "license" => definition.license = Some(input.parse()?),
                "capabilities" => definition.capabilities = list(input)?,
                "settings" => definition.settings = list(input)?,
                "secrets" => definition.secrets = list(input)?,
                "actions" => definition.actions = list(input)?,
                "init" => definition.init = Some(input.parse()?),
                _ => {
                    let fields = "name, version, description, author, license, capabilities, settings, secrets, actions and init";
                    return Err(syn::Error::new(field.span(), format!("unknown field; known are {fields}")));
                }
            }
            seen.push(name);
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        if definition.actions.is_empty() {
            return Err(input.error("a plugin needs at least one action: `actions: { function }`"));
        }
        Ok(definition)
    }
}

impl Parse for CapabilityItem {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        let scope = if input.peek(syn::token::Paren) {
            let content;
            parenthesized!(content in input);
            let scope = content.parse()?;
            if !content.is_empty() {
                return Err(content.error("a scope is one string"));
            }
            Some(scope)
        } else {
            None
        };
        input.parse::<Token![:]>()?;
        Ok(Self { name, scope, reason: input.parse()? })
    }
}

impl Parse for ActionItem {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let description = doc_comment(&input.call(Attribute::parse_outer)?)?;
        let function: Path = input.call(Path::parse_mod_style)?;
        let name = if input.peek(Token![as]) {
            input.parse::<Token![as]>()?;
            input.parse()?
        } else {
            let last = function
                .segments
                .last()
                .ok_or_else(|| syn::Error::new_spanned(&function, "not a function"))?;
            LitStr::new(&last.ident.to_string(), last.ident.span())
        };
        let parameters = if input.peek(syn::token::Brace) { list(input)? } else { Vec::new() };
        Ok(Self { description, function, name, parameters })
    }
}

impl Parse for ParameterItem {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let name = input.parse()?;
        input.parse::<Token![:]>()?;
        Ok(Self { name, description: input.parse()? })
    }
}

/// `{ item, item }` with an optional comma at the end.
fn list<T: Parse>(input: ParseStream<'_>) -> syn::Result<Vec<T>> {
    let content;
    braced!(content in input);
    Ok(Punctuated::<T, Token![,]>::parse_terminated(&content)?.into_iter().collect())
}

/// Joins the lines of a doc comment; any other attribute is an error.
fn doc_comment(attributes: &[Attribute]) -> syn::Result<Option<LitStr>> {
    let mut lines: Vec<LitStr> = Vec::new();
    for attribute in attributes {
        match &attribute.meta {
            Meta::NameValue(meta) if meta.path.is_ident("doc") => {
                if let Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) = &meta.value {
                    lines.push(line.clone());
                }
            }
            Meta::Path(_) | Meta::List(_) | Meta::NameValue(_) => {
                return Err(syn::Error::new_spanned(attribute, "only a doc comment can stand here"));
            }
        }
    }
    Ok(lines.first().map(|first| {
        let text: Vec<String> = lines.iter().map(|line| line.value().trim().to_owned()).collect();
        LitStr::new(text.join(" ").trim(), first.span())
    }))
}

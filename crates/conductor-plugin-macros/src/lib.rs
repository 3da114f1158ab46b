//! Procedural macros of the Conductor plugin SDK; plugins use them through the crate `conductor-plugin`.
//!
//! In reading order:
//!
//! - `definition`: the syntax of `plugin! { … }`
//! - `manifest`: the manifest of a definition, checked with the parser that the host uses
//! - `expand`: the code that a definition stands for

#![forbid(unsafe_code)]

mod definition;
mod expand;
mod manifest;

use proc_macro::TokenStream;

/// Turns functions into a plugin. The documentation is where `conductor-plugin` re-exports this macro.
#[proc_macro]
pub fn plugin(input: TokenStream) -> TokenStream {
    let definition = syn::parse_macro_input!(input as definition::Definition);
    let expansion =
        manifest::build(&definition).map(|manifest| expand::expand(&definition, &manifest.to_string()));
    expansion.unwrap_or_else(syn::Error::into_compile_error).into()
}

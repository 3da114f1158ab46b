//! The code that `plugin! { … }` stands for.

use conductor_abi::MANIFEST_SECTION;
use proc_macro2::{Literal, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use crate::definition::Definition;

/// Makes the dispatch by action name, for every target, and the manifest section and the exports, for WebAssembly only.
///
/// Names begin with `__conductor`, so that they do not hide functions of the author. The exports only call safe
/// functions. Their attributes are `unsafe` because names could clash in the linker.
pub(crate) fn expand(definition: &Definition, manifest: &str) -> TokenStream {
    let arms = definition.actions.iter().map(|action| {
        let (name, function) = (&action.name, &action.function);
        // The call has the function's span, so an action of the wrong type is reported where the definition names the
        // function.
        let run = quote_spanned! { function.span() => ::conductor_plugin::runtime::run(request, #function) };
        quote! { #name => #run, }
    });
    let set_up = definition.init.as_ref().map(|function| {
        quote_spanned! { function.span() => ::conductor_plugin::runtime::set_up(#function); }
    });
    let len = manifest.len();
    let bytes = Literal::byte_string(manifest.as_bytes());
    quote! {
        const _: () = {
            fn __conductor_dispatch(request: ::conductor_plugin::runtime::Request<'_>) -> i32 {
                match request.action() {
                    #(#arms)*
                    _ => ::conductor_plugin::runtime::unknown_action(&request),
                }
            }

            fn __conductor_set_up() {
                #set_up
            }

            #[cfg(not(target_family = "wasm"))]
            const _: (fn(::conductor_plugin::runtime::Request<'_>) -> i32, fn()) =
                (__conductor_dispatch, __conductor_set_up);

            #[cfg(target_family = "wasm")]
            #[used]
            #[unsafe(link_section = #MANIFEST_SECTION)]
            static __CONDUCTOR_MANIFEST: [u8; #len] = *#bytes;

            #[cfg(target_family = "wasm")]
            #[unsafe(export_name = "_initialize")]
            extern "C" fn __conductor_initialize() {
                ::conductor_plugin::runtime::initialize();
            }

            #[cfg(target_family = "wasm")]
            #[unsafe(export_name = "alloc")]
            extern "C" fn __conductor_alloc(size: u32) -> u32 {
                ::conductor_plugin::runtime::alloc(size)
            }

            #[cfg(target_family = "wasm")]
            #[unsafe(export_name = "dealloc")]
            extern "C" fn __conductor_dealloc(_pointer: u32, _size: u32) {}

            #[cfg(target_family = "wasm")]
            #[unsafe(export_name = "init")]
            extern "C" fn __conductor_init() -> u64 {
                __conductor_set_up();
                ::conductor_plugin::runtime::init(#manifest)
            }

            #[cfg(target_family = "wasm")]
            #[unsafe(export_name = "execute")]
            extern "C" fn __conductor_execute(pointer: u32, len: u32) -> i32 {
                ::conductor_plugin::runtime::execute(pointer, len, __conductor_dispatch)
            }
        };
    }
}

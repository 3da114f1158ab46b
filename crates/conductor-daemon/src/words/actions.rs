//! What to say about an action that a plugin lacks.

use conductor_abi::Manifest;
use conductor_signing::escape::terminal;
use conductor_surface::nearest::nearest;

/// The actions that the plugin has instead of `action`, the likeliest first; `None` if it declares none. Escaped for a
/// terminal.
#[must_use]
pub fn hint(action: &str, manifest: Option<&Manifest>) -> Option<String> {
    let actions = manifest.and_then(|manifest| manifest.actions.as_deref()).unwrap_or_default();
    let names: Vec<&str> = actions.iter().map(|action| action.name.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    let near = nearest(action, &names).map(|near| format!("did you mean `{}`? ", terminal(near)));
    let known: Vec<String> = names.iter().map(|name| terminal(name).to_string()).collect();
    Some(format!("{}its actions are {}", near.unwrap_or_default(), known.join(", ")))
}

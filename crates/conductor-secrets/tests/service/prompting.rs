//! A small Secret Service that asks for everything, and whose person answers: gnome-keyring asks on a display, and so can
//! only decline here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;

use futures_util::StreamExt as _;
use zbus::connection::Builder;
use zbus::message::{Message, Type};
use zbus::{Connection, MessageStream, ObjectPath, OwnedObjectPath, OwnedVariant, Variant};

const NAME: &str = "org.freedesktop.secrets";
const COLLECTION: &str = "/org/freedesktop/secrets/collection/asking";
const SESSION: &str = "/org/freedesktop/secrets/session/1";
const PROMPT: &str = "org.freedesktop.Secret.Prompt";
const NONE: &str = "/";

/// A secret on the bus: the session, parameters of its algorithm, the bytes, their media type.
type OnBus = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);

/// What the service has, and whom it asked.
#[derive(Default)]
struct State {
    is_unlocked: bool,
    /// Attributes and secrets by the path of the item.
    items: HashMap<String, (HashMap<String, String>, Vec<u8>)>,
    /// What happens when a prompt is accepted, by its path.
    prompts: HashMap<String, Deed>,
    made: usize,
    asked: Vec<&'static str>,
}

enum Deed {
    Unlock,
    Create(HashMap<String, String>, Vec<u8>),
    Delete(String),
}

/// The service, whose person accepts every prompt or declines every one. A stranger on the bus claims the opposite of each
/// before the person answers.
pub(crate) struct Asking {
    state: Arc<Mutex<State>>,
}

impl Asking {
    /// Serves on a bus until the bus ends. The collection is locked at first.
    pub(crate) fn start(address: &str, accepts: bool) -> Self {
        let state = Arc::<Mutex<State>>::default();
        let bus = zruntime::block_on(async {
            let bus = Builder::address(address).build().await.expect("the bus");
            let calls = MessageStream::from(&bus);
            bus.request_name(NAME).await.expect("the name");
            let stranger = Builder::address(address).build().await.expect("the bus");
            (bus, calls, stranger)
        });
        let (bus, mut calls, stranger) = bus;
        let served = Arc::clone(&state);
        thread::spawn(move || {
            zruntime::block_on(async move {
                while let Some(Ok(message)) = calls.next().await {
                    if message.message_type() == Type::MethodCall {
                        answer(&bus, &stranger, &message, &served, accepts).await;
                    }
                }
            });
        });
        Self { state }
    }

    /// What the person was asked for since this was last called.
    pub(crate) fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state.lock().expect("state").asked)
    }

    /// Locks the collection.
    pub(crate) fn lock(&self) {
        self.state.lock().expect("state").is_unlocked = false;
    }
}

fn path(text: &str) -> OwnedObjectPath {
    ObjectPath::try_from(text.to_owned()).expect("a path").into()
}

impl State {
    /// A prompt that does something once it is accepted.
    fn prompt(&mut self, deed: Deed) -> OwnedObjectPath {
        self.made += 1;
        let prompt = format!("/org/freedesktop/secrets/prompt/{}", self.made);
        self.prompts.insert(prompt.clone(), deed);
        path(&prompt)
    }

    /// Items with these attributes: those that can be read, and those that are locked.
    fn search(&self, wanted: &HashMap<String, String>) -> (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) {
        let has = |attributes: &HashMap<String, String>| {
            wanted.iter().all(|(name, value)| attributes.get(name) == Some(value))
        };
        let found = self.items.iter().filter(|(_, (attributes, _))| has(attributes));
        let found: Vec<OwnedObjectPath> = found.map(|(item, _)| path(item)).collect();
        if self.is_unlocked { (found, Vec::new()) } else { (Vec::new(), found) }
    }

    fn accept(&mut self, deed: Deed) {
        match deed {
            Deed::Unlock => self.is_unlocked = true,
            Deed::Create(attributes, secret) => {
                self.items.retain(|_, (others, _)| *others != attributes);
                self.made += 1;
                self.items.insert(format!("{COLLECTION}/{}", self.made), (attributes, secret));
            }
            Deed::Delete(item) => drop(self.items.remove(&item)),
        }
    }
}

async fn answer(
    bus: &Connection,
    stranger: &Connection,
    message: &Message,
    state: &Mutex<State>,
    accepts: bool,
) {
    let header = message.header();
    let (Some(member), Some(object)) = (header.member(), header.path()) else { return };
    let (member, object, body) = (member.as_str(), object.as_str().to_owned(), message.body());
    match member {
        "OpenSession" => bus.reply(&header, &(Variant::from(""), path(SESSION))).await,
        "ReadAlias" => bus.reply(&header, &(path(COLLECTION),)).await,
        "SearchItems" => {
            let (wanted,): (HashMap<String, String>,) = body.deserialize().expect("attributes");
            let found = state.lock().expect("state").search(&wanted);
            bus.reply(&header, &found).await
        }
        "Unlock" => {
            let (objects,): (Vec<OwnedObjectPath>,) = body.deserialize().expect("objects");
            let unlocked = {
                let mut state = state.lock().expect("state");
                if state.is_unlocked {
                    (objects, path(NONE))
                } else {
                    (Vec::new(), state.prompt(Deed::Unlock))
                }
            };
            bus.reply(&header, &unlocked).await
        }
        "CreateItem" => {
            let (mut properties, secret, _): (HashMap<String, OwnedVariant>, OnBus, bool) =
                body.deserialize().expect("an item");
            let attributes = properties.remove("org.freedesktop.Secret.Item.Attributes").expect("attributes");
            let attributes: HashMap<String, String> = attributes.try_into().expect("texts");
            let prompt = state.lock().expect("state").prompt(Deed::Create(attributes, secret.2));
            bus.reply(&header, &(path(NONE), prompt)).await
        }
        "GetSecret" => {
            let secret = state.lock().expect("state").items[&object].1.clone();
            let secret: OnBus = (path(SESSION), Vec::new(), secret, "text/plain".to_owned());
            bus.reply(&header, &(secret,)).await
        }
        "Delete" => {
            let prompt = state.lock().expect("state").prompt(Deed::Delete(object));
            bus.reply(&header, &(prompt,)).await
        }
        "Prompt" => {
            bus.reply(&header, &()).await.expect("answered");
            claim(stranger, &object, accepts).await.expect("claimed");
            complete(bus, &object, state, accepts).await
        }
        other => panic!("nobody is expected to call {other}"),
    }
    .expect("answered");
}

/// The stranger claims that the person answered a prompt, the other way round.
async fn claim(stranger: &Connection, prompt: &str, accepts: bool) -> zbus::Result<()> {
    let completed = (accepts, Variant::from(""));
    stranger.emit_signal(None::<&str>, prompt, PROMPT, "Completed", &completed).await?;
    // Once the bus answers, it has passed the signal on.
    const BUS: &str = "org.freedesktop.DBus";
    stranger.call_method(Some(BUS), "/org/freedesktop/DBus", Some(BUS), "GetId", &()).await.map(drop)
}

/// The person answers a prompt.
async fn complete(bus: &Connection, prompt: &str, state: &Mutex<State>, accepts: bool) -> zbus::Result<()> {
    {
        let mut state = state.lock().expect("state");
        let deed = state.prompts.remove(prompt).expect("a prompt");
        state.asked.push(match deed {
            Deed::Unlock => "unlock",
            Deed::Create(..) => "create",
            Deed::Delete(_) => "delete",
        });
        if accepts {
            state.accept(deed);
        }
    }
    let completed = (!accepts, Variant::from(""));
    bus.emit_signal(None::<&str>, prompt, PROMPT, "Completed", &completed).await
}

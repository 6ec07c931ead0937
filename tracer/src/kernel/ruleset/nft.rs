//! `nft -j list ruleset` (libnftables-json(5)): tables' chains, sets and rules, one object at a time.
use super::condition::Element;
use super::{Action, Base, Chain, Family, Hook, RulesetError, nft_rule};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Chains of a listing, in its order.
pub(super) fn parse(json: &[u8]) -> Result<Vec<Chain>, RulesetError> {
    let mut listing = Listing::default();
    let mut reader = serde_json::Deserializer::from_slice(json);
    reader
        .deserialize_map(Top(&mut listing))
        .and_then(|()| reader.end())
        .map_err(|error| RulesetError::Json(error.to_string()))?;
    Ok(listing.chains)
}

/// What is known of a listing so far. Sets come before the rules that use them.
#[derive(Default)]
pub(super) struct Listing {
    chains: Vec<Chain>,
    at: HashMap<(Family, String, String), usize>,
    sets: HashMap<(Family, String, String), Named>,
}

/// A set or map with a name.
#[derive(Clone)]
pub(super) struct Named {
    /// Of a set: none; of a verdict map: what each element leads to.
    pub entries: Arc<[(Element, Action)]>,
    pub list: Arc<[Element]>,
    /// Elements come and go, or some couldn't be read.
    pub open: bool,
}

impl Listing {
    pub fn named(&self, family: Family, table: &str, name: &str) -> Option<&Named> {
        self.sets.get(&(family, table.to_owned(), name.to_owned()))
    }

    fn object(&mut self, object: &Map<String, Value>) {
        for (kind, body) in object {
            let Some(body) = body.as_object() else { continue };
            let Some(family) = text(body, "family").and_then(Family::from_name) else { continue };
            match kind.as_str() {
                "chain" => self.chain(family, body),
                "set" | "map" => self.set(family, body),
                "rule" => self.rule(family, body),
                _ => {}
            }
        }
    }

    fn chain(&mut self, family: Family, body: &Map<String, Value>) {
        let (Some(table), Some(name)) = (text(body, "table"), text(body, "name")) else { return };
        let base = text(body, "hook").and_then(Hook::from_name).map(|hook| Base {
            hook,
            priority: body.get("prio").and_then(Value::as_i64).unwrap_or(0),
            nat: text(body, "type") == Some("nat"),
            drops: text(body, "policy") == Some("drop"),
            counter: None,
            device: text(body, "dev").map(Into::into),
        });
        // A hook that is not on the way of an IP packet of ours (netdev's egress) leaves a chain nobody calls.
        self.at.insert((family, table.to_owned(), name.to_owned()), self.chains.len());
        self.chains.push(Chain {
            tool: super::Tool::Nft,
            family,
            table: table.into(),
            name: name.into(),
            base,
            rules: Vec::new(),
        });
    }

    fn set(&mut self, family: Family, body: &Map<String, Value>) {
        let (Some(table), Some(name)) = (text(body, "table"), text(body, "name")) else { return };
        let named = nft_rule::named_set(body);
        self.sets.insert((family, table.to_owned(), name.to_owned()), named);
    }

    fn rule(&mut self, family: Family, body: &Map<String, Value>) {
        let (Some(table), Some(chain)) = (text(body, "table"), text(body, "chain")) else { return };
        let key = (family, table.to_owned(), chain.to_owned());
        let Some(&at) = self.at.get(&key) else { return };
        let rule = nft_rule::Reader::new(self, family, table).rule(body);
        if let Some(chain) = self.chains.get_mut(at) {
            chain.rules.push(rule);
        }
    }
}

/// A member that is a string.
pub(super) fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    body.get(name).and_then(Value::as_str)
}

/// `{"nftables": […]}`.
struct Top<'a>(&'a mut Listing);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the member nftables")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "nftables" {
                map.next_value_seed(Objects(&mut *self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The array in it, whose objects are read and dropped one by one.
struct Objects<'a>(&'a mut Listing);

impl<'de> serde::de::DeserializeSeed<'de> for Objects<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Objects<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(object) = seq.next_element::<Value>()? {
            if let Value::Object(object) = object {
                self.0.object(&object);
            }
        }
        Ok(())
    }
}

//! The members of a JSON object that tell an LCP license from its status document. Everything is read to its end, as
//! deep as 128 levels, and nothing but the shapes of these members is kept.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// Shapes of the members; None where one is missing.
#[derive(Default)]
pub struct Members {
    id: Option<Shape>,
    provider: Option<Shape>,
    encryption: Option<Shape>,
    status: Option<Shape>,
    links: Option<Shape>,
}

impl Members {
    /// Reads one JSON object and nothing after it; says why it can't be read.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }

    /// An LCP license has an ID, a provider and what it says about the encryption.
    pub fn are_a_license(&self) -> bool {
        let named = self.id == Some(Shape::Text) && self.provider == Some(Shape::Text);
        named && self.encryption == Some(Shape::Object)
    }

    /// A license status document has the license's ID, a status and links, and no encryption.
    pub fn are_a_status(&self) -> bool {
        let told = self.id == Some(Shape::Text) && self.status == Some(Shape::Text);
        let no_encryption = matches!(self.encryption, None | Some(Shape::Null));
        told && self.links == Some(Shape::List) && no_encryption
    }

    fn named(&mut self, name: &str) -> Option<(&'static str, &mut Option<Shape>)> {
        Some(match name {
            "id" => ("id", &mut self.id),
            "provider" => ("provider", &mut self.provider),
            "encryption" => ("encryption", &mut self.encryption),
            "status" => ("status", &mut self.status),
            "links" => ("links", &mut self.links),
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members, A::Error> {
        let mut members = Members::default();
        while let Some((name, shape)) = object.next_entry::<String, Shape>()? {
            let Some((name, member)) = members.named(&name) else {
                continue;
            };
            if member.is_some() {
                return Err(de::Error::duplicate_field(name));
            }
            *member = Some(shape);
        }
        Ok(members)
    }
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    Object,
    List,
    Null,
    /// A number or a truth value.
    Plain,
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Text)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Plain)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Shape, A::Error> {
        while list.next_element::<Shape>()?.is_some() {}
        Ok(Shape::List)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Shape, A::Error> {
        while object.next_entry::<Shape, Shape>()?.is_some() {}
        Ok(Shape::Object)
    }
}

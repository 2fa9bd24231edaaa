//! Holds the lines that `keyferry --json` prints to the schema that is shipped with it. Not a reader of these lines: the
//! tests look into them as they need.

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../../cli/schema/lines.schema.json");
/// Begins the name of the definition of an event.
const EVENT: &str = "event-";

/// The schema of all lines, ready to be asked.
pub struct LineSchema {
    all: Validator,
    /// By the name of the event: it says better what is wrong.
    each: BTreeMap<String, Validator>,
}

impl LineSchema {
    /// Reads the shipped one.
    ///
    /// # Panics
    ///
    /// When it is not a valid schema of JSON Schema 2020-12.
    pub fn shipped() -> Self {
        Self::of(&serde_json::from_str(SCHEMA).expect("the schema is JSON"))
    }

    fn of(schema: &Value) -> Self {
        let definitions = schema["$defs"].as_object().expect("definitions");
        let names = definitions.keys().filter_map(|name| name.strip_prefix(EVENT));
        let each = names.map(|name| {
            let alone = json!({"$schema": schema["$schema"], "$defs": schema["$defs"], "$ref": format!("#/$defs/{EVENT}{name}")});
            (name.to_owned(), validator(&alone))
        });
        Self {
            all: validator(schema),
            each: each.collect(),
        }
    }

    /// Names of the events that it describes, in alphabetical order.
    pub fn events(&self) -> Vec<&str> {
        self.each.keys().map(String::as_str).collect()
    }

    /// What is wrong with a line; empty if it is what the schema says.
    pub fn faults(&self, line: &Value) -> Vec<String> {
        if self.all.is_valid(line) {
            return Vec::new();
        }
        let named = line["event"].as_str().and_then(|event| self.each.get(event));
        let Some(validator) = named else {
            return vec![format!("no event that is known: {line}")];
        };
        let faults: Vec<String> = validator
            .iter_errors(line)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        match faults.is_empty() {
            true => vec![format!("two events at once: {line}")],
            false => faults,
        }
    }

    /// The lines of an output, each of which has to be what the schema says.
    ///
    /// # Panics
    ///
    /// When a line is no JSON, or not as the schema has it.
    #[track_caller]
    pub fn lines(&self, output: &str) -> Vec<Value> {
        output.lines().map(|line| self.line(line)).collect()
    }

    /// One line.
    ///
    /// # Panics
    ///
    /// When it is no JSON, or not as the schema has it.
    #[track_caller]
    pub fn line(&self, line: &str) -> Value {
        let value: Value = match serde_json::from_str(line) {
            Ok(value) => value,
            Err(error) => panic!("no JSON ({error}): {line}"),
        };
        let faults = self.faults(&value);
        assert!(
            faults.is_empty(),
            "not as crates/cli/schema/lines.schema.json has it: {line}\n{}",
            faults.join("\n")
        );
        value
    }
}

fn validator(schema: &Value) -> Validator {
    let options = jsonschema::draft202012::options().should_validate_formats(true);
    options.build(schema).expect("a valid schema of 2020-12")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Good lines, from which the bad ones are made.
    fn good() -> Vec<Value> {
        let (hex, uuid) = ("0f".repeat(32), "01a203d5-b8ec-7999-8f32-c85e646e003c");
        vec![
            json!({"event": "progress", "done": 1, "total": 2}),
            json!({"event": "accepted", "name": "Harbor Books", "thumbprint": hex}),
            json!({"event": "error", "message": "no", "hint": null, "reason": "usage", "hr": "80070057", "exit": 2}),
            json!({"event": "license", "license": uuid, "issuer": hex, "key_id": "bxxtDopRTw6dWQ1rDI8qEQ==",
                "title": "x", "outcome": "restored", "why": null, "slot": 1, "of": 4}),
            json!({"event": "status", "status": 27, "name": "BACKUPRESTORE_END", "hr": "00000000"}),
            json!({"event": "summary", "command": "receipts", "exit": 0, "hr": "00000000", "receipts": 0}),
            json!({"event": "summary", "command": null, "exit": 2, "hr": "80070057", "peak_rss": 4096}),
        ]
    }

    #[test]
    fn good_lines_are_good() {
        let schema = LineSchema::shipped();
        for line in good() {
            assert_eq!(schema.faults(&line), Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn a_field_too_many_or_too_few_is_a_fault() {
        let schema = LineSchema::shipped();
        for line in good() {
            let mut more = line.clone();
            more["surprise"] = 1.into();
            assert!(!schema.faults(&more).is_empty(), "{more}");
            for name in line.as_object().expect("an object").keys() {
                let mut less = line.clone();
                less.as_object_mut().expect("an object").remove(name);
                // The one field that the system may not be able to tell.
                assert_eq!(schema.faults(&less).is_empty(), name == "peak_rss", "{less}");
            }
        }
    }

    #[test]
    fn what_has_another_type_or_value_is_a_fault() {
        let schema = LineSchema::shipped();
        for line in good() {
            for name in line.as_object().expect("an object").keys() {
                for value in [json!(-1), json!({"a": 1}), json!(["a"]), json!(1.5)] {
                    let mut other = line.clone();
                    other[name] = value;
                    let is_free = name == "peak_rss" && other[name].is_object();
                    assert_eq!(schema.faults(&other).is_empty(), is_free, "{other}");
                }
            }
        }
        for (number, field, value) in [
            (0, "event", json!("progres")),
            (1, "thumbprint", json!("0F".repeat(32))),
            (2, "hr", json!("c00d2753")),
            (2, "reason", json!("because")),
            (2, "exit", json!(9)),
            (3, "key_id", json!("bxxtDopRTw6dWQ1rDI8qEQ")),
            (3, "license", json!("01a203d5-b8ec-4999-8f32-c85e646e003c")),
            (3, "outcome", json!("gone")),
            (4, "status", json!(21)),
            (5, "command", json!("list")),
            (5, "hr", json!("C00D2753")),
            (6, "exit", json!(0)),
        ] {
            let mut line = good().swap_remove(number);
            line[field] = value;
            assert!(!schema.faults(&line).is_empty(), "{line}");
        }
        for nothing in [json!(null), json!([]), json!({}), json!("event")] {
            assert!(!schema.faults(&nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn every_object_is_closed_and_everything_is_described() {
        fn walk(at: &str, value: &Value) {
            let Some(object) = value.as_object() else {
                if let Some(items) = value.as_array() {
                    items.iter().for_each(|item| walk(at, item));
                }
                return;
            };
            if object.get("type").is_some_and(|of| of == "object") {
                let closed = ["additionalProperties", "unevaluatedProperties"];
                assert!(
                    closed.iter().any(|word| object.contains_key(*word)),
                    "{at} is open"
                );
            }
            for (name, inner) in object {
                walk(&format!("{at}/{name}"), inner);
            }
        }
        let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
        walk("", &schema);
        for (name, definition) in schema["$defs"].as_object().expect("definitions") {
            assert!(definition["description"].is_string(), "{name} has no description");
        }
    }

    #[test]
    fn every_field_of_an_event_is_described() {
        fn fields(at: &str, value: &Value) {
            if let Some(properties) = value["properties"].as_object() {
                for (name, field) in properties {
                    let described = field["description"].is_string() || field.get("const").is_some();
                    assert!(described, "{at}: {name} has no description");
                }
            }
            for inner in value["oneOf"].as_array().into_iter().flatten() {
                fields(at, inner);
            }
        }
        let schema: Value = serde_json::from_str(SCHEMA).expect("JSON");
        for (name, definition) in schema["$defs"].as_object().expect("definitions") {
            fields(name, definition);
        }
    }
}

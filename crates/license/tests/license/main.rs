//! Tests of what stands in docs/license.md: the vectors, and what holds for every document, seal and signature.

#![allow(clippy::unwrap_used)]

mod bodies;
mod cards;
mod cast;
mod changes;
mod documents;
mod files;
mod grants;
mod properties;
mod seals;
mod secrets;
mod shapes;
mod signatures;
mod slice;
mod vector;
mod vectors;

//! The whole first step, seen from outside.

mod card;
mod mutation;
mod path;
mod seeds;
mod settings;

//! End-to-end tests, each behaviour in its module. They need a container engine and fail without one; `integration/setup`
//! installs what is missing.

#[cfg(test)]
mod containers;
#[cfg(test)]
mod domain;
#[cfg(test)]
mod kerberos;

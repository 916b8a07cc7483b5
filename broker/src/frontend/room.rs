//! The room of a listener: how many connections it takes, at all and of one address.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts the connections of a listener.
#[derive(Debug)]
pub(super) struct Room {
    limit: usize,
    limit_per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of_address: BTreeMap<IpAddr, usize>,
}

impl Room {
    pub(super) fn new(limit: usize, limit_per_address: usize) -> Arc<Self> {
        Arc::new(Self { limit, limit_per_address, taken: Mutex::default() })
    }

    /// A place for a connection from `address`; it is given back when it is dropped.
    ///
    /// # Errors
    /// [`Full`].
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Place, Full> {
        let client = client(address);
        let mut taken = self.taken();
        if taken.all >= self.limit {
            return Err(Full::Listener);
        }
        let of_address = taken.of_address.get(&client).copied().unwrap_or_default();
        if of_address >= self.limit_per_address {
            return Err(Full::Address);
        }
        taken.of_address.insert(client, of_address.saturating_add(1));
        taken.all = taken.all.saturating_add(1);
        Ok(Place { room: Arc::clone(self), client })
    }

    /// The counts are right even after a panic elsewhere: nothing can panic while they are changed.
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place of one connection.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Room>,
    client: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        taken.all = taken.all.saturating_sub(1);
        match taken.of_address.get_mut(&self.client) {
            Some(count) if *count > 1 => *count = count.saturating_sub(1),
            Some(_) | None => {
                taken.of_address.remove(&self.client);
            }
        }
    }
}

/// Which limit leaves no place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Full {
    /// That of all connections.
    Listener,
    /// That of one address.
    Address,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listener => "max_connections",
            Self::Address => "max_connections_per_address",
        })
    }
}

/// What counts as one address: of IPv6 a whole /64, the smallest net a client is given (RFC 6177), for it may take any
/// address of that.
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & NET)),
        address @ IpAddr::V4(_) => address,
    }
}

const NET: u128 = u128::MAX << 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_leaves_room_for_the_others() {
        let room = Room::new(3, 2);
        let kept = [room.enter(address("192.0.2.1")).unwrap(), room.enter(address("192.0.2.1")).unwrap()];
        assert_eq!(room.enter(address("192.0.2.1")).unwrap_err(), Full::Address);
        let other = room.enter(address("192.0.2.2")).unwrap();
        assert_eq!(room.enter(address("192.0.2.3")).unwrap_err(), Full::Listener);
        drop((kept, other));
    }

    #[test]
    fn a_place_is_given_back_with_its_connection_and_nothing_is_remembered() {
        let room = Room::new(9, 2);
        let first = room.enter(address("192.0.2.1")).unwrap();
        let second = room.enter(address("192.0.2.1")).unwrap();
        drop(first);
        let third = room.enter(address("192.0.2.1")).unwrap();
        assert_eq!(room.enter(address("192.0.2.1")).unwrap_err(), Full::Address);
        drop((second, third));
        assert_eq!(room.taken().all, 0);
        assert!(room.taken().of_address.is_empty());
    }

    #[test]
    fn one_net_of_ipv6_is_one_address_and_a_mapped_address_is_that_of_ipv4() {
        assert_eq!(client(address("2001:db8::1:2")), client(address("2001:db8::ffff:2:1")));
        assert_ne!(client(address("2001:db8::1")), client(address("2001:db8:0:1::1")));
        assert_eq!(client(address("::ffff:192.0.2.1")), address("192.0.2.1"));
        assert_ne!(client(address("192.0.2.1")), client(address("192.0.2.2")));
    }
}

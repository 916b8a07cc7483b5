//! The order of the records of a service (RFC 2782, "Usage rules"). Pure: the random source is an argument.

use rand_core::RngCore;

use super::dns::SrvRecord;

/// Sorts by priority; among equals, each comes first with a probability in proportion to its weight. A record whose target is
/// the root says that the service is not offered there, and is left out.
pub(super) fn order(mut records: Vec<SrvRecord>, rng: &mut impl RngCore) -> Vec<SrvRecord> {
    records.retain(|record| !record.target.is_empty());
    // Those of weight 0 stand first among equals, so that they have a small chance at all.
    records.sort_by_key(|record| (record.priority, record.weight != 0));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(first) = records.first() {
        let equals = records.iter().take_while(|record| record.priority == first.priority);
        let sums: Vec<u64> = equals
            .scan(0_u64, |sum, record| {
                *sum += u64::from(record.weight);
                Some(*sum)
            })
            .collect();
        let total = sums.last().copied().unwrap_or(0);
        // A bias of one in 2^47 is none.
        let chosen = rng.next_u64() % (total + 1);
        let place = sums.iter().position(|sum| *sum >= chosen).unwrap_or(0);
        ordered.push(records.remove(place));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A random source that counts up in large steps: as good as any for proportions.
    struct Steps(u64);

    impl RngCore for Steps {
        fn next_u32(&mut self) -> u32 {
            u32::try_from(self.next_u64() >> 32).unwrap()
        }

        fn next_u64(&mut self) -> u64 {
            // splitmix64
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        fn fill_bytes(&mut self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    fn record(priority: u16, weight: u16, target: &str) -> SrvRecord {
        SrvRecord { priority, weight, port: 88, target: target.to_owned() }
    }

    fn targets(records: Vec<SrvRecord>, seed: u64) -> Vec<String> {
        order(records, &mut Steps(seed)).into_iter().map(|record| record.target).collect()
    }

    #[test]
    fn a_lower_priority_always_comes_first() {
        let records = || vec![record(10, 65535, "late"), record(0, 0, "first"), record(5, 1, "second")];
        for seed in 0..100 {
            assert_eq!(vec!["first", "second", "late"], targets(records(), seed));
        }
    }

    #[test]
    fn among_equals_the_weight_decides_how_often_one_comes_first() {
        let records = || vec![record(0, 0, "zero"), record(0, 10, "one"), record(0, 30, "three")];
        let (mut zero, mut one, mut three) = (0, 0, 0);
        for seed in 0..4100 {
            let order = targets(records(), seed);
            assert_eq!(3, order.len());
            match order[0].as_str() {
                "zero" => zero += 1,
                "one" => one += 1,
                _ => three += 1,
            }
        }
        // Expected: 100, 1000 and 3000 of 4100.
        assert!((50..200).contains(&zero) && (850..1150).contains(&one), "{zero} {one} {three}");
    }

    #[test]
    fn a_service_that_is_not_offered_is_left_out() {
        assert_eq!(Vec::<String>::new(), targets(vec![record(0, 0, "")], 1));
        assert_eq!(vec!["dc1"], targets(vec![record(0, 0, ""), record(1, 0, "dc1")], 1));
    }
}

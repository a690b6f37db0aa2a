//! Chance that can be repeated: a seeded generator, and the bootstrap that draws from it. The same seed gives the same
//! figures on every machine.

use super::evaluate::Estimate;

/// How often a sample is drawn anew. The ends of a 95 % interval then stand on 25 draws each.
pub(super) const DRAWS: usize = 1_000;

/// Any number would do. All figures use this one, so that two scores of the same changes meet the same draws.
pub(super) const SEED: u64 = 0x6d65_7267_6563_6173;

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
#[derive(Clone, Debug)]
pub(super) struct Generator(u64);

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A whole number below `end`, each as likely as the next to within `end` in 2^64.
    #[expect(clippy::cast_possible_truncation, reason = "the product's upper half is below `end`")]
    fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.next()) * end as u128) >> 64) as usize
    }

    /// A number from 0 to below 1, in steps of 2^-53.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// Draws `size` of `size` with replacement, [`DRAWS`] times. `each` is told how often each one was drawn.
///
/// The same size gives the same draws, so measures of two scores over the same changes can be paired.
pub(super) fn bootstrap<T>(size: usize, mut each: impl FnMut(&[u32]) -> T) -> Vec<T> {
    let mut generator = Generator::new(SEED);
    let mut drawn = vec![0_u32; size];
    let mut draw = || {
        drawn.fill(0);
        for _ in 0..size {
            drawn[generator.below(size)] += 1;
        }
        each(&drawn)
    };
    (0..DRAWS).map(|_| draw()).collect()
}

/// `value` between the 2.5th and the 97.5th percentile of what the draws gave. Draws without a value (no failure among
/// them) are left out.
pub(super) fn estimate(value: f64, draws: impl Iterator<Item = f64>) -> Estimate {
    let mut draws: Vec<f64> = draws.filter(|draw| draw.is_finite()).collect();
    draws.sort_by(f64::total_cmp);
    let end = |share| quantile(&draws, share).unwrap_or(value);
    Estimate { value, low: end(0.025), high: end(0.975) }
}

/// The quantile of sorted numbers, between two of them in proportion. None of no numbers.
pub(super) fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        let mut generator = Generator::new(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| generator.next()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn draws_are_fair_and_repeat() {
        let draw = || bootstrap(50, <[u32]>::to_vec);
        let draws = draw();
        assert_eq!(draws, draw());
        assert!(draws.iter().all(|draw| draw.iter().sum::<u32>() == 50));
        // Each of 50 is expected 1,000 times; a standard deviation is 31.
        for place in 0..50 {
            let times: u32 = draws.iter().map(|draw| draw[place]).sum();
            assert!((870..1_130).contains(&times), "{place} was drawn {times} times");
        }
        let mut generator = Generator::new(SEED);
        let mean = (0..10_000).map(|_| generator.unit()).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.015, "{mean}");
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let check = |share, expected| assert_eq!(quantile(&[1.0, 2.0, 4.0], share), Some(expected));
        check(0.0, 1.0);
        check(0.25, 1.5);
        check(0.75, 3.0);
        check(1.0, 4.0);
        assert_eq!(quantile(&[], 0.5), None);
    }
}

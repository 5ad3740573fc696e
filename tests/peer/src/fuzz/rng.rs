// SPDX-License-Identifier: GPL-2.0
//! Numbers that follow from a seed and the number of a message alone, so that a
//! message is the same whatever was drawn for those before it.

/// SplitMix64.
pub struct Rng(u64);

impl Rng {
    /// For message `number` of the run with this seed.
    pub fn new(seed: u64, number: u64) -> Self {
        let mut rng = Rng(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // neighbours have to differ from the first draw on
        rng.next();
        Rng(rng.next())
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not zero.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A number in `low..=high`.
    pub fn within(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }

    /// True in `percent` of all cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    pub fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.byte()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_again_and_others_for_others() {
        let draw = |seed, number| Rng::new(seed, number).bytes(64);
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
        let mut rng = Rng::new(3, 4);
        assert!((0..1000).all(|_| (5..=9).contains(&rng.within(5, 9))));
        let hits = (0..10_000).filter(|_| rng.chance(20)).count();
        assert!((1700..2300).contains(&hits), "{hits}");
    }
}

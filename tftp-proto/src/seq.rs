//! Block numbers: 64 bits inside, 16 bits on the wire.

/// The number after block 65,535 (the `rollover` option; not in an RFC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Rollover {
    /// 65,535 is followed by 0: what nearly every peer does.
    #[default]
    Zero,
    /// 65,535 is followed by 1: block 0 stays reserved for the answer to a request.
    One,
}

impl Rollover {
    /// The value of the option on the wire.
    #[must_use]
    pub const fn value(self) -> u64 {
        match self {
            Self::Zero => 0,
            Self::One => 1,
        }
    }

    /// How many blocks pass before a number comes again.
    const fn period(self) -> u64 {
        match self {
            Self::Zero => 65_536,
            Self::One => 65_535,
        }
    }

    /// The 16-bit number of `block` on the wire.
    #[must_use]
    pub const fn to_wire(self, block: u64) -> u16 {
        let number = match self {
            Self::Zero => block % 65_536,
            Self::One if block == 0 => 0,
            Self::One => (block - 1) % 65_535 + 1,
        };
        number as u16
    }

    /// The first block at or after `from` that has the number `wire`, if one lies within `span` blocks of it
    /// (`from..=from + span`). `span` must be smaller than the period, or the answer would be ambiguous.
    #[must_use]
    pub fn resolve(self, wire: u16, from: u64, span: u64) -> Option<u64> {
        if matches!(self, Self::One) {
            // Number 0 names block 0 alone and never comes again.
            if wire == 0 {
                return (from == 0).then_some(0);
            }
            if from == 0 {
                let block = u64::from(wire);
                return (block <= span).then_some(block);
            }
        }
        let period = self.period();
        let start = u64::from(self.to_wire(from));
        // Both are numbers of one period.
        let ahead = u64::from(wire) + period - start;
        let distance = if ahead < period { ahead } else { ahead - period };
        (distance <= span).then(|| from + distance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap_to_zero_or_to_one() {
        assert_eq!(Rollover::Zero.to_wire(65_535), 65_535);
        assert_eq!(Rollover::Zero.to_wire(65_536), 0);
        assert_eq!(Rollover::Zero.to_wire(65_537), 1);
        assert_eq!(Rollover::One.to_wire(65_535), 65_535);
        assert_eq!(Rollover::One.to_wire(65_536), 1);
        assert_eq!(Rollover::One.to_wire(2 * 65_535 + 1), 1);
    }

    #[test]
    fn every_block_near_a_wrap_resolves_to_itself() {
        for rollover in [Rollover::Zero, Rollover::One] {
            for from in (0..10).chain(65_500..65_600).chain(131_000..131_200) {
                for distance in [0, 1, 2, 63, 1000, 32_767] {
                    let block = from + distance;
                    let wire = rollover.to_wire(block);
                    assert_eq!(rollover.resolve(wire, from, 32_767), Some(block), "{rollover:?} {from}+{distance}");
                    if distance > 0 {
                        assert_eq!(rollover.resolve(wire, from, distance - 1), None);
                    }
                }
            }
        }
    }

    #[test]
    fn number_zero_is_only_block_zero_when_wrapping_to_one() {
        assert_eq!(Rollover::One.resolve(0, 0, 10), Some(0));
        assert_eq!(Rollover::One.resolve(0, 65_530, 100), None);
        assert_eq!(Rollover::Zero.resolve(0, 65_530, 100), Some(65_536));
    }
}

//! Whether an answer is late, or everybody's is.

use core::time::Duration;

use crate::Instant;

/// So many answers tell whose turn it is.
const ANSWERS: usize = 8;
/// So many of them at least must agree.
const MOST: usize = 6;
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(5);
/// So many transfers are a crowd, even before any of them is answered.
const MANY: usize = 32;
/// But then they wait no longer than this.
const LONGEST_IN_SILENCE: Duration = Duration::from_secs(1);

/// When the things were sent that the peers of an endpoint answered last.
///
/// A crowd fills a queue that all of it shares, in the network or in a busy server, and a round trip becomes longer than any
/// timer was when it began. What is sent again then makes it longer still. But in a queue it goes by turns: as long as those
/// are answered who were asked before, nobody's answer is late who was asked after them. Where few are answered, or those
/// who were asked later, timers are right.
///
/// Among many slow peers, one that could be faster waits as they do for what it has lost, but no longer than five seconds. One
/// that is much faster than the others gives all answers, and everything is as without a crowd.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    last: [Answer; ANSWERS],
    answers: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Answer {
    /// When that was sent which it is to.
    asked_at: Instant,
    /// Whose it is.
    who: u32,
}

/// Something that was sent and is not answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    at: Instant,
    /// How many answers there had been.
    answers: u64,
}

impl Crowd {
    /// Something is sent.
    pub(super) const fn ask(&self, now: Instant) -> Asked {
        Asked { at: now, answers: self.answers }
    }

    /// The peer of the transfer `who` has answered it.
    pub(super) fn answered(&mut self, asked: Asked, who: u32) {
        if let Some(oldest) = self.last.get_mut((self.answers % ANSWERS as u64) as usize) {
            *oldest = Answer { asked_at: asked.at, who };
        }
        self.answers += 1;
    }

    /// If the answer to it is not late: until when it may be waited for at most. `active`: how many transfers there are.
    pub(super) fn patience(&self, now: Instant, asked: Asked, active: usize) -> Option<Instant> {
        let waited = now - asked.at;
        let longest = if self.answers - asked.answers >= ANSWERS as u64 {
            LONGEST
        } else if active >= MANY {
            LONGEST_IN_SILENCE
        } else {
            Duration::ZERO
        };
        // Turns are not kept exactly.
        let about_then = asked.at + waited / 4;
        let before = self.last.iter().filter(|answer| answer.asked_at <= about_then).count();
        (waited < longest && before >= MOST && self.are_many()).then(|| asked.at + longest)
    }

    /// Whether the last answers were those of many.
    fn are_many(&self) -> bool {
        let mut who = self.last.map(|answer| answer.who);
        who.sort_unstable();
        self.answers >= ANSWERS as u64 && who.chunk_by(|one, other| one == other).count() >= MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    /// Something was sent at 100 ms, when a crowd had answered before. Whether at `now` its answer is not late, if so many
    /// others have been answered since, to what they were sent at these times.
    fn is_early(now: u64, active: usize, asked: impl IntoIterator<Item = u64>) -> bool {
        let mut crowd = Crowd::default();
        let answer =
            |crowd: &mut Crowd, asked_at, who| crowd.answered(Asked { at: at(asked_at), ..crowd.ask(at(0)) }, who);
        for who in 0..8 {
            answer(&mut crowd, 10, who);
        }
        let ours = crowd.ask(at(100));
        for (asked_at, who) in asked.into_iter().zip(20..) {
            answer(&mut crowd, asked_at, who);
        }
        crowd.patience(at(now), ours, active).is_some()
    }

    #[test]
    fn who_was_asked_later_than_those_who_are_answered_is_not_late() {
        assert!(is_early(160, 9, [90; 8]));
        assert!(is_early(160, 9, [115; 8]), "turns are not kept exactly");
        assert!(!is_early(160, 9, [116; 8]));
        assert!(is_early(160, 9, [150, 150, 90, 90, 90, 90, 90, 90]));
        assert!(!is_early(160, 9, [150, 150, 150, 90, 90, 90, 90, 90]));
        assert!(is_early(160, 9, [150, 150, 150, 90, 90, 90, 90, 90, 90]), "the last ones count");
    }

    #[test]
    fn a_few_are_no_crowd_but_many_may_wait_for_their_first_answers() {
        assert!(!is_early(160, 31, [90; 7]));
        assert!(is_early(160, 32, [90; 7]));
        assert!(is_early(160, 32, []));
        assert!(is_early(1099, 32, []) && !is_early(1100, 32, []));
        assert!(is_early(5099, 9, [90; 8]) && !is_early(5100, 9, [90; 8]), "nobody waits for ever");
    }

    #[test]
    fn the_answers_of_one_peer_are_no_crowd() {
        let mut crowd = Crowd::default();
        let ours = crowd.ask(at(100));
        let mut is_early_with = |who| {
            crowd.answered(crowd.ask(at(90)), who);
            crowd.patience(at(160), ours, 100).is_some()
        };
        assert!([1, 2, 3, 4, 5, 5, 5, 5].map(&mut is_early_with).iter().all(|early| !early));
        // Each takes the place of the oldest.
        assert_eq!([6, 7, 8, 9, 10].map(is_early_with), [false, false, false, false, true]);
    }

    #[test]
    fn nothing_is_known_of_an_empty_crowd() {
        let crowd = Crowd::default();
        assert_eq!(crowd.patience(at(160), crowd.ask(at(100)), 1000), None);
    }
}

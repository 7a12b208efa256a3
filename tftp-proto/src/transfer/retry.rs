//! When to send again, and when to stop (RFC 1123 §4.2.3.2).

use core::time::Duration;

use super::round_trip::{LONGEST, RoundTrip};
use crate::config::Timing;
use crate::time::nanos;
use crate::{Instant, Rng};

/// The shortest time for which a final ACK is repeated.
const BRIEF_DALLY: Duration = Duration::from_millis(250);
/// For so long a peer is borne that has never answered. Some ask for an interval of 5 or 6 s, and need a repeat or two.
const UNPROVED: Duration = Duration::from_secs(30);
/// So many ACKs that arrived say nothing yet of how likely the last one is to be lost.
const FEW_ACKS: u64 = 16;
/// What is shorter is not worth a timer: nobody asks again so soon, our own senders included.
const SHORTEST_DALLY: Duration = SOONEST;
/// Shorter intervals would flood the network, and double nowhere from 0.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
/// Doublings that outlive the first silence that they come from; one more for each that follows.
const MAX_CARRIED: u32 = 4;
/// Doublings at most.
const MAX_DOUBLINGS: u32 = 16;
/// Copies in a row without an answer, after which the peer is left alone for a while. atftp answers one copy and then none, and
/// starts its timer of 5 s anew with each: only when that runs out, it repeats an ACK that was lost.
const LEFT_ALONE_AFTER: u32 = 6;
/// For so long.
const LEFT_ALONE: Duration = Duration::from_millis(5500);

/// The shortest time after which the end of a window is sent once more. Receivers that are merely busy for a moment answer
/// within it.
const SOONEST: Duration = Duration::from_millis(10);

/// What to do when an answer has not come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Retry,
    GiveUp,
}

/// Round trip, back-off and patience of one transfer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Retry {
    timing: Timing,
    /// The shortest interval that a measured round trip leads to.
    min_interval: Duration,
    /// The negotiated interval, which stands in for the measured one.
    negotiated: Option<Duration>,
    /// The measured interval is used all the same where it is shorter.
    in_a_hurry: bool,
    /// The round trip, once there was a sample.
    round_trip: Option<RoundTrip>,
    /// Whether anything was ever sent again because no answer came: by us, or, so late did it come, by the peer.
    has_lost: bool,
    /// Whether the peer has answered: its address is no forgery.
    proved: bool,
    /// Until it is proved, copies are counted and nothing else: the one who asks said how many.
    asking: bool,
    /// Retransmissions since the last progress.
    retries: u32,
    /// How often the interval is doubled. Progress does not undo it but a measured round trip, for what is sent again gives
    /// none (Karn): where the round trip has outgrown the interval, everything would be sent twice for ever.
    backoff: u32,
    /// How much of that outlived the last progress at most; 0 once a round trip was measured.
    carried: u32,
    last_progress: Instant,
    /// Since when the peer is silent: a pause that was ours is not its silence.
    silent_since: Instant,
    rng: Rng,
}

impl Retry {
    pub(crate) fn new(now: Instant, timing: Timing, seed: u64) -> Self {
        let timing = Timing {
            initial_timeout: timing.initial_timeout.max(SHORTEST_INTERVAL),
            min_timeout: timing.min_timeout.max(SHORTEST_INTERVAL),
            max_timeout: timing.max_timeout.max(SHORTEST_INTERVAL),
            ..timing
        };
        Self {
            timing,
            min_interval: timing.min_timeout,
            negotiated: None,
            in_a_hurry: false,
            round_trip: None,
            has_lost: false,
            proved: false,
            asking: false,
            retries: 0,
            backoff: 0,
            carried: 0,
            last_progress: now,
            silent_since: now,
            rng: Rng::new(seed),
        }
    }

    /// That of a request, which has nobody to prove its address.
    pub(crate) fn of_request(now: Instant, timing: Timing, seed: u64) -> Self {
        Self { asking: true, ..Self::new(now, timing, seed) }
    }

    pub(crate) fn set_negotiated(&mut self, timeout: Option<Duration>) {
        self.negotiated = timeout;
    }

    pub(crate) const fn is_proved(&self) -> bool {
        self.proved
    }

    pub(crate) const fn has_lost(&self) -> bool {
        self.has_lost
    }

    pub(crate) const fn last_progress(&self) -> Instant {
        self.last_progress
    }

    /// The peer answered something that brings the transfer on.
    pub(crate) fn progress(&mut self, now: Instant) {
        self.proved = true;
        self.retries = 0;
        if self.backoff > 0 {
            // A silence may have been an outage, which says nothing of the round trip. Timers that run out after it do.
            self.carried = MAX_CARRIED.max(self.carried + 1).min(MAX_DOUBLINGS);
            self.backoff = self.backoff.min(self.carried);
        }
        self.last_progress = now;
        self.silent_since = now;
    }

    /// A pause of our own is over: it does not count as the peer's silence.
    pub(crate) fn resume(&mut self, pause: Duration) {
        self.silent_since = self.silent_since + pause;
    }

    /// Something new was sent: the peer is silent from here on.
    pub(crate) fn listen(&mut self, now: Instant) {
        self.silent_since = now;
    }

    /// Whether the peer has been silent for too long.
    pub(crate) fn is_out_of_patience(&self, now: Instant) -> bool {
        self.patience().is_some_and(|patience| now.saturating_since(self.silent_since) >= patience)
    }

    /// The smoothed round trip, once there was a sample.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.round_trip.map(|round_trip| Duration::from_nanos(round_trip.smoothed))
    }

    /// A round trip of a datagram that was sent once (Karn's rule is the caller's).
    pub(crate) fn sample(&mut self, round_trip: Duration) {
        let sample = nanos(round_trip).min(LONGEST);
        match &mut self.round_trip {
            None => self.round_trip = Some(RoundTrip::first(sample)),
            Some(known) => {
                self.has_lost |= sample >= known.brief() && round_trip >= self.timing.min_timeout;
                known.add(sample);
            }
        }
        if self.has_backoff() {
            self.end_backoff(self.measured().unwrap_or_default());
        }
    }

    /// A round trip of a datagram that was sent once was no longer than this: what it was is not known. It surely was no longer
    /// than `surely`, even if what was sent before it was still under way.
    pub(crate) fn sample_at_most(&mut self, round_trip: Duration, surely: Duration) {
        match self.round_trip {
            // Where every window loses something there is hardly another sample.
            Some(known) if nanos(surely) < known.smoothed => self.sample(surely),
            Some(_) | None => self.end_backoff(round_trip),
        }
    }

    /// An answer came so long after the last copy of what was sent again. If that is about a round trip, it is that copy's
    /// answer, and what came before was lost; when the round trip has outgrown the interval, it comes at any time.
    pub(crate) fn sample_of_copy(&mut self, elapsed: Duration) {
        if self.has_backoff()
            && let Some(RoundTrip { smoothed, variation, .. }) = self.round_trip
            && nanos(elapsed) <= smoothed + smoothed.max(variation * 4)
        {
            self.end_backoff(elapsed);
        }
    }

    /// Whether there is anything to end. Blocks that come in order ask that of each.
    const fn has_backoff(&self) -> bool {
        self.backoff > 0 || self.carried > 0
    }

    /// A round trip was measured: the interval follows it again, and stays doubled only while it is shorter than `enough`.
    fn end_backoff(&mut self, enough: Duration) {
        if !self.has_backoff() {
            return;
        }
        let first = self.first_interval();
        self.carried = 0;
        self.backoff =
            (0..self.backoff).find(|count| first.saturating_mul(1 << count) >= enough).unwrap_or(self.backoff);
    }

    /// The interval that the measured round trip asks for.
    fn measured(&self) -> Option<Duration> {
        self.round_trip.map(|round_trip| round_trip.interval())
    }

    /// For a receiver in lock-step: no interval is shorter than the first one of all. It is the sender who has to send
    /// again. One that follows RFC 1123 does not even listen to a repeated ACK, and others send everything twice for it.
    pub(crate) const fn be_patient(&mut self) {
        self.min_interval = self.timing.initial_timeout;
    }

    /// For a peer that is hurt by the interval it asked for: that one is the longest.
    pub(crate) const fn hurry(&mut self) {
        self.in_a_hurry = true;
    }

    /// When the answer to a window that has left now is late by the measured round trip, and how long an answer takes. `None`
    /// for a peer with which an interval was negotiated, unless it `hurries`: then when the timer would run out otherwise; and
    /// once a timer has run out, until a round trip was measured.
    pub(crate) fn early(&self, now: Instant, hurries: bool) -> Option<(Instant, Duration)> {
        let waits = self.retries > 0 || self.backoff > 0 || self.negotiated.is_some() && !hurries;
        let soonest = if hurries { self.min_interval } else { SOONEST };
        let round_trip = self.round_trip.filter(|_| !waits)?;
        let smoothed = Duration::from_nanos(round_trip.smoothed);
        Some((now + round_trip.interval().max(smoothed * 2).max(soonest), smoothed))
    }

    /// The interval before the first retransmission.
    pub(crate) fn first_interval(&self) -> Duration {
        self.first_interval_of(self.min_interval)
    }

    fn first_interval_of(&self, shortest: Duration) -> Duration {
        let own = self.measured().map_or(self.timing.initial_timeout, |measured| measured.max(shortest));
        match self.negotiated {
            Some(negotiated) if self.in_a_hurry => own.min(negotiated),
            //= rfc2349#timeout-interval-option-specification
            //# The number of seconds to wait before retransmitting, specified in ASCII.
            Some(negotiated) => negotiated,
            None => own,
        }
    }

    /// The interval before the next retransmission: doubled for each one before it, and then with jitter, so that a crowd
    /// that lost together does not return together. After a few it is long at once.
    fn interval(&mut self) -> Duration {
        let first = self.first_interval();
        if self.backoff == 0 {
            return first;
        }
        let least = if self.retries < LEFT_ALONE_AFTER { Duration::ZERO } else { LEFT_ALONE };
        let most = self.timing.max_timeout.max(first);
        //= rfc1123#section-4.2.3.2
        //# MUST adapt the timeout (at least exponential backoff)
        let doubled = first.saturating_mul(1 << self.backoff).max(least).min(most);
        let jitter = u64::from(self.rng.below(1 << 16)) * u64::try_from(doubled.as_micros()).unwrap_or(u64::MAX >> 20);
        doubled + Duration::from_micros(jitter >> 19)
    }

    /// The moment to act if nothing comes: the next retransmission, or the end of patience if that is sooner.
    pub(crate) fn deadline(&mut self, now: Instant) -> Instant {
        let next = now + self.interval();
        match self.patience() {
            Some(patience) => next.min(self.silent_since + patience).max(now + Duration::from_micros(1)),
            None => next,
        }
    }

    /// Until when to repeat the final ACK, for an owner in a hurry (one interval, as the peer may count it too; if nothing
    /// was lost, less the more ACKs have arrived, and some round trips at most) and for one with time: then at least twice
    /// the interval that the peer was told. `acks_without_loss` is `None` if something was lost.
    pub(crate) fn dally_until(&self, now: Instant, acks_without_loss: Option<u64>) -> (Instant, Instant) {
        let negotiated = self.negotiated.unwrap_or_default();
        let mut enough = self.first_interval_of(self.timing.min_timeout).max(BRIEF_DALLY);
        if let Some(acks) = acks_without_loss {
            enough /= u32::try_from((acks / FEW_ACKS).max(1)).unwrap_or(u32::MAX);
            let brief = self.round_trip.map(|known| Duration::from_nanos(known.brief()));
            enough = brief.map_or(enough, |brief| brief.min(enough));
            if enough < SHORTEST_DALLY {
                enough = Duration::ZERO;
            }
        }
        (now + enough, now + self.timing.dally.max(negotiated * 2).max(enough))
    }

    /// How long silence is borne. Who has not answered does not lengthen it by what it asked for: a forged request would
    /// stay for many minutes.
    fn patience(&self) -> Option<Duration> {
        match (self.proved, self.asking) {
            (true, _) => Some(self.timing.give_up_after.max(self.negotiated.unwrap_or_default() * 3)),
            (false, false) => Some(UNPROVED),
            (false, true) => None,
        }
    }

    /// Puts off a deadline that has passed, for an owner who is patient, at most until `latest`: `true`, if at all. The larger
    /// part of the peer's time to answer is left for what is sent again.
    pub(crate) fn wait_on(&mut self, now: Instant, deadline: &mut Instant, latest: Instant) -> bool {
        if now < *deadline || !self.proved || self.negotiated.is_some() || self.is_out_of_patience(now) {
            return false;
        }
        let latest = self.patience().map_or(latest, |patience| latest.min(self.silent_since + patience / 4));
        let next = self.deadline(now);
        if next <= latest {
            // Twice as long in all. The round trip that is measured in the end says whether that was too much.
            self.backoff = (self.backoff + 1).min(MAX_DOUBLINGS);
        }
        let until = next.min(latest);
        let waits = now < until;
        if waits {
            *deadline = until;
        }
        waits
    }

    /// The deadline has passed.
    pub(crate) fn expired(&mut self, now: Instant) -> Verdict {
        let limit = if self.proved { self.timing.max_retries } else { Some(self.timing.unproved_retries) };
        let impatient = self.is_out_of_patience(now);
        //= rfc7440#section-6
        //# Implementations SHOULD always set a maximum number of retries for datagram retransmissions, imposing an
        //# appropriate threshold on error recovery attempts, after which a transfer SHOULD always be aborted to prevent
        //# pathological retransmission conditions.
        if impatient || limit.is_some_and(|limit| self.retries >= limit) {
            return Verdict::GiveUp;
        }
        self.retries += 1;
        self.has_lost = true;
        self.backoff = (self.backoff + 1).min(MAX_DOUBLINGS);
        Verdict::Retry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_interval_doubles_up_to_the_cap_and_starts_again_with_a_measured_round_trip() {
        let mut retry = Retry::new(Instant::ZERO, Timing::default(), 1);
        retry.progress(Instant::ZERO);
        let mut intervals = std::vec::Vec::new();
        for _ in 0..5 {
            intervals.push(retry.interval());
            assert_eq!(retry.expired(Instant::ZERO), Verdict::Retry);
        }
        for (interval, base) in intervals.iter().zip([1000, 2000, 4000, 5500, 5500]) {
            assert!(*interval >= ms(base) && *interval <= ms(base) * 9 / 8, "{interval:?} for {base}");
        }
        retry.progress(Instant::ZERO);
        assert!(retry.interval() >= ms(5500), "what was sent again measures nothing");
        retry.sample(ms(100));
        assert_eq!(retry.interval(), ms(300));
    }

    #[test]
    fn who_answers_no_copy_is_left_alone_for_longer_than_the_5_s_after_which_it_asks() {
        let rare = Timing { max_timeout: ms(30_000), ..Timing::default() };
        for (timing, last) in [(Timing::default(), 5500), (rare, 60 << 8)] {
            let mut retry = Retry::new(Instant::ZERO, timing, 1);
            retry.sample(ms(1));
            retry.progress(Instant::ZERO);
            for base in [60, 120, 240, 480, 960, 1920, 5500, 7680.min(last), last] {
                let interval = retry.interval();
                assert!((ms(base)..=ms(base) * 9 / 8).contains(&interval), "{interval:?} for {base}");
                assert_eq!(retry.expired(Instant::ZERO), Verdict::Retry);
            }
        }
    }

    #[test]
    fn little_of_the_back_off_outlives_an_outage_and_more_what_follows() {
        let mut retry = Retry::new(Instant::ZERO, Timing::default(), 1);
        retry.sample(ms(1));
        retry.progress(Instant::ZERO);
        for _ in 0..12 {
            assert_eq!(retry.expired(Instant::ZERO), Verdict::Retry);
        }
        retry.progress(Instant::ZERO);
        assert!((ms(960)..ms(1100)).contains(&retry.interval()), "{:?}", retry.interval());
        assert_eq!(retry.expired(Instant::ZERO), Verdict::Retry);
        retry.progress(Instant::ZERO);
        assert!((ms(1920)..ms(2200)).contains(&retry.interval()), "{:?}", retry.interval());
        retry.sample(ms(1));
        assert_eq!(retry.interval(), ms(60));
    }

    #[test]
    fn a_negotiated_timeout_stays_doubled_while_the_round_trip_is_longer() {
        let mut retry = Retry::new(Instant::ZERO, Timing::default(), 1);
        retry.progress(Instant::ZERO);
        retry.set_negotiated(Some(ms(1000)));
        assert_eq!(retry.expired(Instant::ZERO), Verdict::Retry);
        assert_eq!(retry.expired(Instant::ZERO), Verdict::Retry);
        retry.progress(Instant::ZERO);
        retry.sample(ms(600));
        // 600 ms and four times 300 ms.
        assert!((ms(2000)..ms(2300)).contains(&retry.interval()), "{:?}", retry.interval());
    }

    #[test]
    fn the_interval_follows_the_round_trip_within_bounds() {
        let mut retry = Retry::new(Instant::ZERO, Timing::default(), 1);
        retry.sample(Duration::from_micros(200));
        assert_eq!(retry.interval(), ms(60));
        let mut retry = Retry::new(Instant::ZERO, Timing::default(), 1);
        for _ in 0..100 {
            retry.sample(ms(800));
        }
        assert!((ms(790)..ms(900)).contains(&retry.interval()), "{:?}", retry.interval());
    }

    #[test]
    fn how_long_a_queue_made_the_round_trip_is_soon_forgotten_when_it_is_gone() {
        let mut retry = Retry::new(Instant::ZERO, Timing::default(), 1);
        for sample in [100, 900, 1800] {
            retry.sample(ms(sample));
        }
        assert!(retry.interval() >= ms(1800), "{:?}", retry.interval());
        for _ in 0..9 {
            retry.sample(ms(1));
        }
        assert!(retry.interval() <= ms(200), "{:?}", retry.interval());
    }

    #[test]
    fn a_round_trip_that_is_long_every_third_time_is_waited_for() {
        let mut retry = Retry::new(Instant::ZERO, Timing::default(), 1);
        for round in 0..100 {
            for sample in [1000, 30, 30] {
                assert!(round == 0 || retry.interval() >= ms(1000), "{:?}", retry.interval());
                retry.sample(ms(sample));
            }
        }
    }

    /// Where every window loses something, its round trip is never known exactly.
    #[test]
    fn that_a_round_trip_was_no_longer_is_a_sample_if_it_was_thought_to_be() {
        let mut retry = Retry::new(Instant::ZERO, Timing::default(), 1);
        retry.sample(ms(400));
        retry.sample_at_most(ms(2000), ms(2000));
        assert_eq!(retry.interval(), ms(1200), "it may be shorter");
        for _ in 0..8 {
            retry.sample_at_most(ms(1), ms(10));
        }
        assert!(retry.interval() <= ms(150), "{:?}", retry.interval());
    }

    #[test]
    fn a_negotiated_timeout_replaces_the_measured_interval_but_not_the_back_off() {
        let mut retry = Retry::new(Instant::ZERO, Timing::default(), 1);
        retry.progress(Instant::ZERO);
        retry.sample(ms(1));
        retry.set_negotiated(Some(ms(2000)));
        assert_eq!(retry.interval(), ms(2000));
        assert_eq!(retry.expired(Instant::ZERO), Verdict::Retry);
        assert!(retry.interval() >= ms(4000));
        retry.set_negotiated(Some(ms(20_000)));
        assert!(retry.interval() >= ms(20_000));
    }

    #[test]
    fn a_negotiated_timeout_is_the_longest_first_interval_of_a_peer_in_a_hurry() {
        let mut retry = Retry::new(Instant::ZERO, Timing::default(), 1);
        retry.hurry();
        assert_eq!(retry.interval(), ms(1000), "none was negotiated");
        retry.set_negotiated(Some(ms(5000)));
        assert_eq!(retry.interval(), ms(1000));
        retry.set_negotiated(Some(ms(500)));
        assert_eq!(retry.interval(), ms(500));
        retry.sample(ms(1));
        assert_eq!(retry.interval(), ms(60));
    }

    #[test]
    fn an_interval_that_was_asked_for_lengthens_patience_with_a_peer_that_answered_only() {
        let of = |mut retry: Retry| {
            retry.set_negotiated(Some(ms(255_000)));
            retry
        };
        let mut unproved = of(Retry::new(Instant::ZERO, Timing::default(), 1));
        assert_eq!(unproved.deadline(Instant::ZERO), Instant::ZERO + ms(30_000));
        assert_eq!(unproved.expired(Instant::ZERO + ms(30_000)), Verdict::GiveUp);
        let mut proved = of(Retry::new(Instant::ZERO, Timing::default(), 1));
        proved.progress(Instant::ZERO);
        assert_eq!(proved.expired(Instant::ZERO + ms(764_999)), Verdict::Retry);
        assert_eq!(proved.expired(Instant::ZERO + ms(765_000)), Verdict::GiveUp);
    }

    #[test]
    fn a_request_is_repeated_as_often_as_its_owner_said() {
        let mut retry = Retry::of_request(Instant::ZERO, Timing { unproved_retries: 60, ..Timing::default() }, 1);
        for _ in 0..60 {
            assert_eq!(retry.expired(Instant::ZERO + ms(300_000)), Verdict::Retry);
        }
        assert_eq!(retry.expired(Instant::ZERO + ms(300_000)), Verdict::GiveUp);
    }

    #[test]
    fn a_proved_peer_is_given_up_after_silence_and_an_unproved_one_after_few_tries() {
        let mut retry = Retry::new(Instant::ZERO, Timing::default(), 1);
        for _ in 0..4 {
            assert_eq!(retry.expired(Instant::ZERO), Verdict::Retry);
        }
        assert_eq!(retry.expired(Instant::ZERO), Verdict::GiveUp);
        retry.progress(Instant::ZERO);
        for _ in 0..1000 {
            assert_eq!(retry.expired(Instant::ZERO + ms(29_999)), Verdict::Retry);
        }
        assert_eq!(retry.expired(Instant::ZERO + ms(30_000)), Verdict::GiveUp);
    }
}

//! How a window is cut into trains that its receiver can take.
//!
//! A receiver has room for so many frames and empties it at some rate. A window that is larger than the room loses
//! its tail, every time. Neither number is in the protocol, but both show in the acknowledgements:
//!
//! * A report of a gap says how much of a train arrived. A train that may be too long never ends its window: a block
//!   follows it after a pause, so that the loss is reported at once and not by a timer that runs out.
//! * How long it took bounds the time for one block ([`Meter`]).
//!
//! So trains start short and grow with every acknowledgement, until a whole window is one train and nothing is left to
//! do, or until a train has broken off twice in the same place: a lost datagram breaks off anywhere. From then on trains
//! are as long and pauses as short as the receiver's room and rate allow. Chance may look like that, too, and so does a
//! crowd: now and then a longer train is tried.

use core::time::Duration;

use super::meter::{Meter, Sample};
use super::pace::{MAX_PAUSE, Means, Pace, SHORT, pause_for, whole_millis};
use super::run::Run;
use crate::Instant;
use crate::config::Pacing;

/// Trains grow by this factor.
const GROWTH: u16 = 4;
/// Blocks that a receiver gets time for before the one that shows what is missing.
const SPARE: u16 = 4;
/// What all pauses of a window together last at most, in milliseconds, if there are not more pauses than that: about as long
/// as a receiver waits for one that is lost.
const WINDOW_PAUSES: u16 = 5000;
/// So many trains must break off in the same place before it is the receiver's doing and not chance: two that were longer
/// than any before; more of the shortest, and of windows that used to arrive whole.
const STRIKES: u8 = 2;
const SHORT_STRIKES: u8 = 4;
const WHOLE_STRIKES: u8 = 4;
/// So many windows in a row must break off before pauses that were thought to be enough are not.
const BROKEN: u8 = 3;
/// So many runs must break off after a quarter of a window before it is tried whether trains may be longer after all, and twice
/// as many before the next time: a pace that suits loses nothing, one that does not loses soon, and chance anywhere.
const FIRST_REST: u16 = 16;

/// What is known of the receiver, and where the present window stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pacer {
    window: u16,
    block_size: u16,
    stage: Stage,
    /// Blocks in a train, and the pause behind it in milliseconds.
    train: u16,
    pause: u16,
    /// The longest train that has arrived whole.
    proven: u16,
    /// The train that is remembered of this host, while it is not known whether that is still true: the first longer one
    /// decides.
    trial: Option<u16>,
    /// Where the last train that broke off did so.
    broke_at: Option<u16>,
    /// How many did so there, one after the other.
    strikes: u8,
    /// Runs that chance seems to have broken off, while longer trains were thought to be too long, and how many there must be
    /// before one is tried again.
    by_chance: u16,
    rest: u16,
    /// Timers in a row that ran out.
    timeouts: u8,
    /// Whether anything was ever missing.
    lossy: bool,
    meter: Meter,
    /// What was learned and not told yet.
    news: bool,
    /// The next run repeats what a timer gave up.
    blind: bool,
    run: Run,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    /// Trains grow.
    Growing,
    /// The receiver's limits are known.
    Settled,
    /// A window is one train; `confirmed` once such a window has arrived whole.
    Whole { confirmed: bool },
}

impl Pacer {
    /// `None` if the window leaves at once in any case.
    pub(super) fn new(pacing: &Pacing, window: u16, block_size: u16, known: Option<Pace>) -> Option<Self> {
        let first = pacing.first_train.max(1);
        if !pacing.enabled || window <= first {
            return None;
        }
        let mut pacer = Self {
            window,
            block_size,
            stage: Stage::Growing,
            train: first,
            pause: whole_millis(pacing.first_pause),
            proven: 0,
            trial: None,
            broke_at: None,
            strikes: 0,
            by_chance: 0,
            rest: FIRST_REST,
            timeouts: 0,
            lossy: false,
            meter: Meter::default(),
            news: false,
            blind: false,
            run: Run::default(),
        };
        if let Some(pace) = known {
            pacer.start_from(pace.for_block_size(block_size));
        }
        Some(pacer)
    }

    fn start_from(&mut self, pace: Pace) {
        self.proven = pace.train().min(self.window);
        if pace.train() >= self.window {
            self.stage = Stage::Whole { confirmed: false };
            return;
        }
        self.train = pace.train().max(1);
        if pace.pause_millis() > 0 {
            self.trial = pace.is_on_trial().then_some(self.proven);
            self.stage = if pace.is_on_trial() { Stage::Growing } else { Stage::Settled };
            self.pause = pace.pause_millis();
            self.meter.assume(u64::from(self.pause) * 1_000_000 / u64::from(self.train));
        }
    }

    /// What was learned since the last call, if that is worth remembering.
    pub(super) fn take_news(&mut self) -> Option<Pace> {
        if !core::mem::take(&mut self.news) {
            return None;
        }
        match self.stage {
            Stage::Whole { confirmed: true } => Some(Pace::takes(self.window, self.block_size)),
            Stage::Settled => Some(Pace::new(self.train, self.pause, self.block_size)),
            Stage::Growing | Stage::Whole { confirmed: false } => None,
        }
    }

    /// Whether the receiver takes whole windows that leave at once.
    pub(super) const fn takes_whole_windows(&self) -> bool {
        matches!(self.stage, Stage::Whole { confirmed: true })
    }

    /// How many blocks may leave at once now.
    pub(super) const fn room(&self) -> usize {
        self.run.left as usize
    }

    /// The file ends with the block that is so many blocks ahead. It may be shorter than the others and come so soon after
    /// them that a receiver with just enough room has none left for it: it goes alone.
    pub(super) fn end_ahead(&mut self, distance: u64) {
        if self.stage == Stage::Settled && distance > 0 {
            self.run.left = self.run.left.min(u16::try_from(distance).unwrap_or(u16::MAX));
        }
    }

    /// Blocks go out from `block` on.
    pub(super) fn begin(&mut self, block: u64) {
        let Run { started, sent_at, .. } = self.run;
        let blind = core::mem::take(&mut self.blind);
        let step = self.train;
        self.run = Run { start: block, step, train_start: block, started, sent_at, blind, ..Run::default() };
        self.run.left = self.next_train(self.window);
    }

    /// The length of the next train, with so many blocks left of the window.
    fn next_train(&self, remaining: u16) -> u16 {
        match self.stage {
            Stage::Whole { .. } => remaining,
            Stage::Settled => self.run.step.min(remaining),
            // The last block shows what is missing before it.
            Stage::Growing if self.run.step > self.proven => self.run.step.min(remaining.saturating_sub(1).max(1)),
            Stage::Growing => self.run.step.min(remaining),
        }
    }

    /// Blocks `first..first + count` have left. If the train has ended and not the window, answers until when to pause.
    pub(super) fn sent(&mut self, now: Instant, first: u64, count: usize, more: bool) -> Option<Instant> {
        let run = &mut self.run;
        if first == run.start {
            run.started = now;
        }
        if core::mem::take(&mut run.ended) {
            run.train_start = first;
        }
        if first == run.train_start {
            run.train_began = now;
        }
        run.sent_at = now;
        run.left = run.left.saturating_sub(u16::try_from(count).unwrap_or(u16::MAX));
        let next = first + count as u64;
        let sent = u16::try_from(next - run.start).unwrap_or(u16::MAX);
        if !more {
            return self.patience(sent).map(|patience| now + patience);
        }
        if run.left > 0 {
            return None;
        }
        run.ended = true;
        self.run.left = self.next_train(self.window.saturating_sub(sent).max(1));
        let longest = WINDOW_PAUSES / self.window.div_ceil(self.run.step.max(1));
        self.run.pause = self.pause.min(longest);
        let pause = self.next_pause(sent, self.run.left).min(longest);
        Some(now + Duration::from_millis(u64::from(pause.max(1))))
    }

    /// The pause behind the first `sent` blocks of a run, before a train of `next` more.
    fn next_pause(&self, sent: u16, next: u16) -> u16 {
        let ends = sent.saturating_add(next) >= self.window;
        match self.stage {
            // A full receiver must have room again for the one block that shows what is missing.
            Stage::Growing if next == 1 && ends => self.pause_for(SPARE).min(self.pause),
            Stage::Settled if ends => self.means().map_or(self.pause, |means| means.last_pause(self.run.step, next)),
            Stage::Growing | Stage::Settled | Stage::Whole { .. } => self.pause,
        }
    }

    /// How long to wait for the ACK of a window before its last block goes out again: only when, for the first time, a whole
    /// window was sent at once, because nothing follows then that would show the loss of its end.
    fn patience(&self, sent: u16) -> Option<Duration> {
        let trying = self.stage == Stage::Whole { confirmed: false } && self.proven == self.window - 1;
        if !trying || self.run.asked || sent < self.window {
            return None;
        }
        let work = self.meter.block_time().unwrap_or(0).saturating_mul(u64::from(self.window));
        let late = work.saturating_add(self.meter.round_trip()).saturating_mul(5) / 4;
        Some(Duration::from_millis(1 + late.div_ceil(1_000_000)))
    }

    /// The window is out, and its ACK is late: its last block, `block`, goes out again before a timer has to run out.
    pub(super) fn ask(&mut self, block: u64) {
        self.run.train_start = block;
        self.run.left = 1;
        self.run.asked = true;
    }

    /// After the report of a gap: until when to wait for the receiver to digest the last train.
    pub(super) fn hold(&self, now: Instant) -> Option<Instant> {
        match self.stage {
            Stage::Whole { .. } => None,
            Stage::Growing | Stage::Settled => {
                Some(self.run.sent_at + Duration::from_millis(u64::from(self.pause.max(1))))
                    .filter(|until| *until > now)
            }
        }
    }

    /// What was sent since the last acknowledgement or timer.
    pub(super) const fn run(&self) -> &Run {
        &self.run
    }

    /// The answer to the opening came.
    pub(super) fn answered(&mut self, round_trip: Duration) {
        self.meter.answered(round_trip);
    }

    /// Everything up to and with `acked` has arrived; `next` is the block after the last one sent.
    pub(super) fn acknowledged(&mut self, now: Instant, acked: u64, next: u64) {
        let run = self.run;
        if run.blind || acked + 1 < run.start || acked >= next {
            return;
        }
        let arrived = u16::try_from(acked + 1 - run.start).unwrap_or(u16::MAX);
        let whole = acked + 1 == next;
        self.measure(now, acked, arrived, whole);
        // What it took to bring a block that went out twice is not known.
        let whole = whole && !run.asked;
        let arrived = if run.asked { arrived.saturating_sub(1) } else { arrived };
        let proven = self.proven;
        // As much has arrived in one go, whatever was lost behind it.
        self.proven = proven.max(arrived.min(run.step));
        if arrived >= run.step {
            self.timeouts = 0;
        }
        if whole {
            self.grow();
        } else {
            self.lossy = true;
            self.shrink(arrived, proven);
        }
        let by_chance = !whole && arrived >= self.window / 4;
        if by_chance && self.stage == Stage::Settled && self.proven < self.window - 1 {
            self.by_chance = self.by_chance.saturating_add(1);
            if self.by_chance >= self.rest {
                self.try_longer();
            }
        }
    }

    /// It may have been chance, or a crowd, that trains broke off in one place: the first longer one decides.
    fn try_longer(&mut self) {
        self.by_chance = 0;
        self.rest = self.rest.saturating_mul(2);
        self.stage = Stage::Growing;
        self.trial = Some(self.proven);
        self.broke_at = None;
        self.strikes = 0;
        self.train = self.proven.saturating_mul(2).clamp(1, self.window - 1);
        self.pause = self.pause_for(self.train);
    }

    fn measure(&mut self, now: Instant, acked: u64, arrived: u16, whole: bool) {
        let run = self.run;
        // The block that revealed a gap was worked on, too.
        let revealing = u16::from(!whole);
        let of_last_train = match (acked + 1).checked_sub(run.train_start) {
            Some(blocks) => blocks + u64::from(revealing),
            None => 0,
        };
        // The answer to a question came late; pauses that break off every window are too short.
        let too_short = self.stage == Stage::Settled && self.strikes >= BROKEN;
        self.meter.learn(&Sample {
            blocks: arrived.saturating_add(revealing),
            of_last_train,
            since_start: now - run.started,
            since_last_train: now - run.sent_at,
            whole,
            may_be_longer: whole && !run.asked || too_short,
        });
    }

    /// A run has arrived whole.
    fn grow(&mut self) {
        match self.stage {
            Stage::Whole { confirmed } => {
                self.stage = Stage::Whole { confirmed: true };
                self.broke_at = None;
                self.news |= !confirmed;
            }
            Stage::Growing if self.proven >= self.window - 1 => self.stage = Stage::Whole { confirmed: false },
            Stage::Growing if self.doubts() && self.means().is_some_and(|means| means.are_enough()) => {
                self.trial = None;
                self.settle(self.proven);
            }
            Stage::Growing => {
                // Once more than is remembered has arrived, the memory counts no more.
                self.trial = self.trial.filter(|remembered| self.proven <= *remembered);
                let reach = match self.trial.or(self.broke_at) {
                    Some(place) => place.saturating_mul(2).max(self.proven + 1),
                    None => self.proven.saturating_mul(GROWTH),
                };
                self.train = reach.clamp(1, self.window - 1);
                self.pause = self.pause_for(self.train);
            }
            Stage::Settled => {
                self.strikes = 0;
                self.settle(self.proven);
            }
        }
    }

    /// Whether longer trains may be too long.
    const fn doubts(&self) -> bool {
        self.lossy || self.trial.is_some()
    }

    /// Something was lost: what is remembered is still true, or it is chance. Answers whether that was the question.
    fn confirm(&mut self) -> bool {
        let asked = self.trial.take().is_some();
        if asked {
            self.settle(self.proven);
        }
        asked
    }

    /// A run broke off after `arrived` blocks, when trains of `proven` blocks were known to arrive.
    fn shrink(&mut self, arrived: u16, proven: u16) {
        if self.confirm() {
            return;
        }
        match self.stage {
            Stage::Growing if arrived < self.run.step && arrived >= proven.max(1) => {
                // The first train of a size that was not proven.
                let strikes = self.strike(arrived);
                if strikes >= if arrived < SHORT { SHORT_STRIKES } else { STRIKES } {
                    self.settle(self.proven);
                } else {
                    self.retreat();
                }
            }
            // Chance: so much of a window is as good as all of it.
            Stage::Growing if arrived >= self.window / 2 => self.grow(),
            Stage::Growing => self.retreat(),
            Stage::Settled => {
                self.strikes = self.strikes.saturating_add(1);
                self.settle(self.proven);
            }
            Stage::Whole { confirmed } => {
                let strikes = self.strike(arrived);
                let tried = self.proven == self.window - 1;
                if !confirmed && tried && arrived >= proven && strikes >= STRIKES {
                    self.settle(self.proven);
                } else if strikes >= if confirmed { WHOLE_STRIKES } else { STRIKES } {
                    self.start_again();
                }
            }
        }
    }

    /// Counts trains that broke off in the same place, one after the other.
    fn strike(&mut self, arrived: u16) -> u8 {
        let again = self.broke_at.is_some_and(|place| place.abs_diff(arrived) <= (place / 8).max(1));
        self.strikes = if again { self.strikes.saturating_add(1) } else { 1 };
        self.broke_at = Some(arrived);
        self.strikes
    }

    /// The next trains are such as have arrived before.
    fn retreat(&mut self) {
        self.train = self.train.min(self.proven.max(SHORT));
        self.pause = self.pause_for(self.train);
    }

    /// A timer ran out: the end of the last train is missing, or its ACK.
    pub(super) fn timed_out(&mut self) {
        self.blind = true;
        self.lossy = true;
        self.timeouts = self.timeouts.saturating_add(1);
        let again = self.timeouts >= 2;
        if self.confirm() {
            return;
        }
        match self.stage {
            // Nothing at all is known of it yet.
            Stage::Growing if self.proven == 0 => {
                self.train = (self.train / 2).max(1);
                self.pause_longer(4);
            }
            Stage::Growing if self.run.step > self.proven && again => self.settle(self.proven),
            Stage::Growing if self.run.step > self.proven => self.retreat(),
            Stage::Whole { confirmed: false } if self.proven == self.window - 1 => self.settle(self.proven),
            Stage::Whole { confirmed } if !confirmed || again => self.start_again(),
            Stage::Growing | Stage::Settled if again => {
                self.stage = Stage::Growing;
                self.train = (self.train / 2).max(1);
                self.proven = self.train;
                self.pause_longer(2);
            }
            Stage::Growing | Stage::Settled | Stage::Whole { .. } => {}
        }
    }

    fn pause_longer(&mut self, factor: u16) {
        self.pause = self.pause.saturating_mul(factor).clamp(1, MAX_PAUSE as u16);
    }

    fn start_again(&mut self) {
        self.stage = Stage::Growing;
        self.train = SHORT.min(self.window);
        self.pause = self.pause_for(self.train);
        self.proven = 0;
        self.broke_at = None;
        self.strikes = 0;
    }

    /// Trains of so many blocks arrive, and no longer ones.
    fn settle(&mut self, longest: u16) {
        let before = (self.train, self.pause);
        if self.stage != Stage::Settled {
            self.strikes = 0;
        }
        self.stage = Stage::Settled;
        self.proven = longest.max(1);
        match self.means() {
            Some(means) => (self.train, self.pause) = means.best_pace(),
            None => self.train = self.proven,
        }
        self.news |= before != (self.train, self.pause);
    }

    fn pause_for(&self, train: u16) -> u16 {
        self.meter.block_time().map_or(self.pause, |time| pause_for(train, time))
    }

    fn means(&self) -> Option<Means> {
        let (block_time, round_trip) = (self.meter.block_time()?, self.meter.round_trip());
        Some(Means { window: self.window, longest: self.proven, block_time, round_trip })
    }
}

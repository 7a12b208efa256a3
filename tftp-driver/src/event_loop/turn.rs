//! One turn of the loop: hand in one input, drain the protocol, and again, until there is nothing left or the turn has
//! lasted long enough.

use std::io;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_util::StreamExt;

use super::port::Received;
use super::{EventLoop, Refused, Stalled};
use crate::protocol::{Action, Handled, JobHandler, Protocol, Transmit};
use crate::runtime::Runtime;
use crate::udp::{Datagrams, assemble};

/// Inputs and actions of one turn. After that many the thread is lent to others.
const TURN: u32 = 256;

/// A timeout waits for datagrams that have arrived already, but not for longer than this: a flood must not stop time.
const TIMEOUT_PATIENCE: Duration = Duration::from_millis(50);

/// When to try again after a queue of the system was full, since nothing tells.
const NO_BUFFERS_PAUSE: Duration = Duration::from_millis(1);

/// How long a datagram is kept that the system refuses. A network that is down must not hold up timeouts and endings.
const STALL_PATIENCE: Duration = Duration::from_secs(1);

impl<R, P, H, E> EventLoop<R, P, H, E>
where
    R: Runtime,
    P: Protocol,
    H: JobHandler<P>,
    E: FnMut(P::Event),
{
    /// Does what can be done now, as [`Future::poll`] does.
    ///
    /// # Errors
    /// If the runtime has ended.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.task.register(cx.waker());
        self.tick();
        self.has_just_begun = true;
        let mut budget = TURN;
        while self.drain(cx, &mut budget)? {
            if self.finished {
                return Poll::Ready(Ok(()));
            }
            if !self.step(&mut budget)? {
                return Poll::Pending;
            }
        }
        // A flood of datagrams keeps the loop from ever finding the sockets empty.
        if self.deadline.is_some_and(|deadline| self.now.saturating_duration_since(deadline) > TIMEOUT_PATIENCE) {
            self.handle_timeout();
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Sends what the protocol has to say, as far as the system takes it now, and waits for nothing: a last word from an
    /// owner that is about to drop the loop. Unlike [`poll`](Self::poll) it needs neither a task nor a running runtime.
    /// Jobs are not started.
    pub fn flush(&mut self) {
        self.tick();
        let mut budget = TURN;
        while self.stalled.is_none() && !self.finished && spend(&mut budget) {
            match self.protocol.poll(self.now, &mut self.out) {
                Action::Transmit(transmit) => self.send(transmit, 0, Some(self.now)),
                Action::Job(..) => {}
                Action::Event(event) => (self.on_event)(event),
                Action::Wait(_) => break,
                Action::Finished => self.finished = true,
            }
        }
    }

    /// Lets the protocol act until it waits, has ended, or a datagram is refused. False if the budget is used up.
    fn drain(&mut self, cx: &mut Context<'_>, budget: &mut u32) -> io::Result<bool> {
        while spend(budget) {
            // Taking what is not there would move it all the same.
            if self.stalled.is_some()
                && let Some(stalled) = self.stalled.take()
            {
                self.has_just_begun = false;
                if self.is_writable(&stalled, cx)? {
                    self.send(stalled.transmit, stalled.sent, Some(stalled.give_up_at));
                } else if self.now < stalled.give_up_at {
                    self.stalled = Some(stalled);
                    return Ok(true);
                } else {
                    self.counters.send_errors += 1;
                }
                continue;
            }
            if self.drained || self.finished {
                return Ok(true);
            }
            self.has_just_begun = false;
            match self.protocol.poll(self.now, &mut self.out) {
                Action::Transmit(transmit) => self.send(transmit, 0, None),
                Action::Job(id, job) => match self.handler.handle(id, job) {
                    Handled::Ready(result) => self.protocol.handle_job(self.now, id, result),
                    Handled::Pending(future) => {
                        self.jobs.push(future);
                        self.job_source.raise();
                    }
                },
                Action::Event(event) => {
                    // Whoever polls may have been waiting for it.
                    self.in_place.stop();
                    (self.on_event)(event);
                }
                Action::Wait(deadline) => {
                    self.deadline = deadline;
                    self.drained = true;
                }
                Action::Finished => self.finished = true,
            }
        }
        Ok(false)
    }

    /// Hands one input to the protocol. False if there is none, in which case the task will be woken for the next.
    fn step(&mut self, budget: &mut u32) -> io::Result<bool> {
        // Before datagrams, which may have been sent because of a command: none that follows a shutdown is served.
        if let Some(command) = self.next_command() {
            self.drained = false;
            self.protocol.handle_command(self.now, command);
            return Ok(true);
        }
        if let Some((meta, bytes)) = self.inbox.next() {
            self.drained = false;
            self.protocol.handle_datagram(self.now, &meta, bytes);
            // What one peer has sent in one go is answered as one: draining costs more than a datagram does.
            while spend(budget)
                && let Some((meta, bytes)) = self.inbox.next_of_train()
            {
                self.protocol.handle_datagram(self.now, &meta, bytes);
            }
            return Ok(true);
        }
        if let Some(completion) = self.next_completion() {
            let (id, result) = self.handler.finish(completion);
            self.drained = false;
            self.protocol.handle_job(self.now, id, result);
            return Ok(true);
        }
        if self.receive()? {
            return Ok(true);
        }
        if self.deadline.is_some_and(|deadline| deadline <= self.now) {
            self.handle_timeout();
            return Ok(true);
        }
        Ok(self.is_alarm_due())
    }

    fn next_command(&mut self) -> Option<P::Command> {
        let commands = self.commands.as_mut().filter(|_| self.command_source.take())?;
        self.has_just_begun = false;
        match commands.poll_next_unpin(&mut self.command_source.context()) {
            Poll::Ready(Some(command)) => {
                // There may be more.
                self.command_source.raise();
                Some(command)
            }
            Poll::Ready(None) => {
                self.commands = None;
                None
            }
            Poll::Pending => None,
        }
    }

    /// What a job has ended with, if one has.
    fn next_completion(&mut self) -> Option<H::Completion> {
        if !self.job_source.take() {
            return None;
        }
        self.has_just_begun = false;
        match self.jobs.poll_next_unpin(&mut self.job_source.context()) {
            Poll::Ready(Some(completion)) => {
                self.job_source.raise();
                Some(completion)
            }
            Poll::Ready(None) | Poll::Pending => None,
        }
    }

    /// Fills the inbox from the next socket that has something. False if none has.
    fn receive(&mut self) -> io::Result<bool> {
        if self.receive_in_place() {
            return Ok(true);
        }
        let ports = self.ports.len();
        let turn = self.next_port;
        for id in (turn..ports).chain(0..turn.min(ports)) {
            if !self.ports[id].may_have_some() {
                continue;
            }
            match self.ports[id].receive(id, &mut self.inbox, self.now)? {
                Received::Nothing => continue,
                Received::Some => {}
                Received::Failed => self.counters.receive_errors += 1,
            }
            self.next_port = id + 1;
            if !self.has_just_begun {
                self.tick();
            }
            self.may_wait_in_place();
            return Ok(true);
        }
        Ok(false)
    }

    /// Sends what `out` holds, from `sent` on. What the system refuses for now is kept until `give_up_at`, or as long as
    /// anything is.
    fn send(&mut self, mut transmit: Transmit, mut sent: usize, give_up_at: Option<Instant>) {
        let body = if transmit.head.is_some() { self.protocol.body() } else { [&[][..]; 2] };
        let datagrams = Datagrams::new(&transmit, &self.out, body);
        let (Some(port), Some(datagrams)) = (self.ports.get_mut(transmit.socket), datagrams) else {
            self.counters.send_errors += 1;
            debug_assert!(false, "no such socket, or no such bytes: {transmit:?}");
            return;
        };
        self.in_place.last_sent = Some((transmit.socket, self.now));
        if let Err(refused) = port.socket.send(&transmit, &datagrams, &mut sent, &mut self.counters.send_errors) {
            self.counters.send_stalls += 1;
            let retry_at = match refused {
                Refused::NotWritable => None,
                Refused::NoBuffers => Some(self.now + NO_BUFFERS_PAUSE),
            };
            // The protocol may let the body go before the next attempt.
            assemble(&mut transmit, &mut self.out, body);
            let give_up_at = give_up_at.unwrap_or(self.now + STALL_PATIENCE);
            self.stalled = Some(Stalled { transmit, sent, retry_at, give_up_at });
        }
    }

    /// Whether what was refused is worth another try. If not, the task will be woken once it is.
    fn is_writable(&mut self, stalled: &Stalled, cx: &mut Context<'_>) -> io::Result<bool> {
        match stalled.retry_at {
            Some(at) => Ok(at <= self.now),
            None => match self.ports[stalled.transmit.socket].socket.poll_writable(cx) {
                Poll::Pending => Ok(false),
                Poll::Ready(ready) => ready.map(|()| true),
            },
        }
    }

    fn handle_timeout(&mut self) {
        // The next deadline is known once the protocol is drained.
        self.deadline = None;
        self.drained = false;
        self.protocol.handle_timeout(self.now);
    }

    /// Arms the alarm for the next moment at which there is something to do. True if that is now.
    fn is_alarm_due(&mut self) -> bool {
        let retry_at = self.stalled.as_ref().map(|stalled| stalled.retry_at.unwrap_or(stalled.give_up_at));
        let resume_at = self.ports.iter().filter_map(|port| port.resume_at).min();
        let Some(next) = earlier(self.deadline, earlier(retry_at, resume_at)) else { return false };
        let due = self.alarm.poll_until(next).is_ready();
        if due {
            self.tick();
        }
        due
    }

    /// Reads the clock.
    pub(super) fn tick(&mut self) {
        self.now = self.runtime.now().max(self.now);
    }
}

/// The earlier of two moments. An iterator over them would cost hundreds of instructions with every wake-up.
fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

fn spend(budget: &mut u32) -> bool {
    *budget = budget.saturating_sub(1);
    *budget > 0
}

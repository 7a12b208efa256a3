//! All states of one side that a search has met, and what each input makes of them: each is worked out once.

use std::collections::HashMap;
use std::rc::Rc;

use tftp_proto::wire::Packet;

use super::quick::QuickMap;
use super::scenario::Scenario;
use super::side::{Input, Reaction, Side};

/// A state of a side.
pub(super) type SideId = u16;

/// A datagram's content.
pub(super) type Content = u8;

/// What an input makes of a state.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) next: SideId,
    pub(super) sent: Vec<Content>,
    /// DATA packets among what was sent.
    pub(super) data: u8,
    pub(super) moved: bool,
    pub(super) paused: bool,
}

/// The states of all sides and the contents of all datagrams, numbered.
#[derive(Debug)]
pub(super) struct Automaton<'a> {
    scenario: &'a Scenario,
    sides: Vec<Side>,
    by_key: HashMap<String, SideId>,
    steps: QuickMap<(SideId, Input), Rc<Step>>,
    births: HashMap<Option<Content>, Rc<Step>>,
    contents: Vec<Vec<u8>>,
}

impl<'a> Automaton<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Self {
        Self {
            scenario,
            sides: Vec::new(),
            by_key: HashMap::new(),
            steps: QuickMap::default(),
            births: HashMap::new(),
            contents: Vec::new(),
        }
    }

    pub(super) fn side(&self, id: SideId) -> &Side {
        &self.sides[usize::from(id)]
    }

    pub(super) fn sides(&self) -> usize {
        self.sides.len()
    }

    pub(super) fn content(&self, content: Content) -> &[u8] {
        &self.contents[usize::from(content)]
    }

    /// A new side: the client, or the server that a request starts.
    pub(super) fn birth(&mut self, request: Option<Content>) -> Result<Rc<Step>, String> {
        if let Some(step) = self.births.get(&request) {
            return Ok(Rc::clone(step));
        }
        let (side, reaction) = match request {
            None => Side::client(self.scenario)?,
            Some(request) => Side::server(self.scenario, &self.contents[usize::from(request)], Side::START)?,
        };
        let step = self.note(side, &reaction)?;
        self.births.insert(request, Rc::clone(&step));
        Ok(step)
    }

    /// What an input makes of a side.
    pub(super) fn step(&mut self, id: SideId, input: Input) -> Result<Rc<Step>, String> {
        if let Some(step) = self.steps.get(&(id, input)) {
            return Ok(Rc::clone(step));
        }
        let bytes = match input {
            Input::Packet(content) => self.contents[usize::from(content)].as_slice(),
            Input::Repeat | Input::Expire | Input::Answer | Input::Cancel => &[],
        };
        let (side, reaction) = self.sides[usize::from(id)].perform(self.scenario, input, bytes)?;
        let step = self.note(side, &reaction)?;
        self.steps.insert((id, input), Rc::clone(&step));
        Ok(step)
    }

    fn note(&mut self, side: Side, reaction: &Reaction) -> Result<Rc<Step>, String> {
        let key = side.canonical();
        let next = match self.by_key.get(&key) {
            Some(id) => *id,
            None => {
                let id = SideId::try_from(self.sides.len()).map_err(|_| "too many states of one side")?;
                self.sides.push(side);
                self.by_key.insert(key, id);
                id
            }
        };
        let mut sent = Vec::new();
        let mut data = 0;
        for bytes in &reaction.sent {
            data += u8::from(matches!(Packet::parse(bytes), Ok(Packet::Data { .. })));
            sent.push(self.intern(bytes)?);
        }
        Ok(Rc::new(Step { next, sent, data, moved: reaction.moved, paused: reaction.paused }))
    }

    /// The number of a content.
    pub(super) fn intern(&mut self, bytes: &[u8]) -> Result<Content, String> {
        let place = match self.contents.iter().position(|known| known == bytes) {
            Some(place) => place,
            None => {
                self.contents.push(bytes.to_vec());
                self.contents.len() - 1
            }
        };
        Content::try_from(place)
            .ok()
            .filter(|content| *content < 32)
            .ok_or_else(|| "too many kinds of datagrams".into())
    }
}

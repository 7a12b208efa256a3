//! Answers of the store to "is it there, and which version?", believed for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::ObjectStore;
use object_store::path::Path;
use quick_cache::sync::Cache;

use crate::failure::Failure;
use crate::object::Object;
use crate::stats::Counters;

/// How many answers are kept.
const ANSWERS: usize = 10_000;

pub(crate) struct Heads {
    answers: Cache<Path, Answer>,
    /// How long an answer is believed.
    believed: Duration,
}

#[derive(Clone)]
struct Answer {
    result: Result<Arc<Object>, Failure>,
    /// When it was asked for: what the store says is no younger than that.
    asked: Instant,
}

impl Answer {
    /// Whether to answer somebody who asks now. Failures are for those alone who waited for them.
    fn is_good(&self, believed: Duration) -> bool {
        matches!(self.result, Ok(_) | Err(Failure::NotFound)) && self.asked.elapsed() < believed
    }
}

impl Heads {
    pub(crate) fn new(believed: Duration) -> Self {
        Self { answers: Cache::new(ANSWERS), believed }
    }

    /// The version that has the name, or had it when it was last asked for. Those who ask at the same time share one
    /// request.
    pub(crate) async fn get(
        &self,
        store: &dyn ObjectStore,
        path: &Path,
        counters: &Counters,
    ) -> Result<Arc<Object>, Failure> {
        if self.believed.is_zero() {
            counters.look_ups.add(1);
            return Object::look_up(store, path).await.map(Arc::new);
        }
        if self.answers.peek(path).is_some_and(|answer| !answer.is_good(self.believed)) {
            self.answers.remove_if(path, |answer| !answer.is_good(self.believed));
        }
        match self.answers.get_value_or_guard_async(path).await {
            Ok(answer) => {
                counters.look_ups_saved.add(1);
                answer.result
            }
            Err(guard) => {
                counters.look_ups.add(1);
                let asked = Instant::now();
                let result = Object::look_up(store, path).await.map(Arc::new);
                // It is not kept if the name was written meanwhile.
                let _ = guard.insert(Answer { result: result.clone(), asked });
                result
            }
        }
    }

    /// The version was found to be gone: the next one who asks is told of another.
    pub(crate) fn forget_version(&self, object: &Object) {
        self.answers.remove_if(&object.path, |answer| matches!(&answer.result, Ok(known) if **known == *object));
    }

    /// The name was written, and whatever was known of it is no longer true.
    pub(crate) fn forget(&self, path: &Path) {
        self.answers.remove(path);
    }
}

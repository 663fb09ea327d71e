//! Token ids of prompts: made with the checkpoint's own files, or by the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use outthink_core::Problem;
use outthink_prompt::{ChatTemplate, Message, PolicyProfile, Tokenizer};

use crate::Error;
use crate::call::Conversation;
use crate::fleet::Fleet;

/// Most prompts that are kept; a search needs the same one at every step.
const KEPT: usize = 4096;

/// Makes prompts of problems, and keeps their token ids.
pub(crate) struct Prompter {
    profile: PolicyProfile,
    local: Option<(Arc<Tokenizer>, ChatTemplate)>,
    kept: Mutex<HashMap<String, Arc<[u32]>>>,
}

impl Prompter {
    pub(crate) fn new(
        profile: PolicyProfile,
        local: Option<(Arc<Tokenizer>, ChatTemplate)>,
    ) -> Self {
        Self {
            profile,
            local,
            kept: Mutex::default(),
        }
    }

    pub(crate) fn profile(&self) -> &PolicyProfile {
        &self.profile
    }

    pub(crate) fn tokenizer(&self) -> Option<&Arc<Tokenizer>> {
        self.local.as_ref().map(|(tokenizer, _)| tokenizer)
    }

    /// The conversation that puts a problem to the model.
    pub(crate) fn messages(&self, problem: &Problem) -> Vec<Message> {
        let question = format!("{}{}", problem.text, self.profile.after_question);
        Message::question(self.profile.system.as_deref(), &question)
    }

    /// Token ids of a problem's prompt, with one beginning-of-text token. `key`: the problem's
    /// [`prefix_key`](crate::call::prefix_key).
    pub(crate) async fn ids(
        &self,
        fleet: &Fleet,
        key: u64,
        problem: &Problem,
    ) -> Result<Arc<[u32]>, Error> {
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ids) = kept().get(&problem.text) {
            return Ok(Arc::clone(ids));
        }
        let messages = self.messages(problem);
        if let Some((tokenizer, _)) = &self.local {
            tokenizer.check(&problem.text)?;
        }
        let ids: Arc<[u32]> = self.conversation(fleet, key, &messages).await?.into();
        let mut kept = kept();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(problem.text.clone(), Arc::clone(&ids));
        Ok(ids)
    }

    /// Token ids of a conversation.
    pub(crate) async fn conversation(
        &self,
        fleet: &Fleet,
        key: u64,
        messages: &[Message],
    ) -> Result<Vec<u32>, Error> {
        let Some((tokenizer, template)) = &self.local else {
            let conversation = Conversation::new(&fleet.model, messages, self.profile.thinking);
            return fleet.dialect.tokenise(fleet.call(key), conversation).await;
        };
        let text = template.render_chat(tokenizer, messages, true)?;
        Ok(tokenizer.encode(&text)?)
    }
}

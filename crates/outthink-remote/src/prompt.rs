//! Token ids of prompts: made with the checkpoint's own files, or by the server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use outthink_core::{Problem, Thinking, Thoughts};
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

    /// Puts thinking on or off where the template knows of it, and returns the control that is left to do.
    pub(crate) fn think(&mut self, thinking: Thinking) -> Thinking {
        let thinks = Some(thinking.control().thinks());
        self.profile.thinking = thinks;
        let heeds = match self.local.take() {
            Some((tokenizer, template)) => {
                let heeds = template.heeds_thinking(&tokenizer, self.profile.system.as_deref());
                self.local = Some((tokenizer, template.with_thinking(thinks)));
                heeds
            }
            // The server's template is unknown; it is told, and a family whose prompt opens the thought does not listen.
            None => self.profile.think_end.is_none(),
        };
        if self.opened() && self.profile.think_end.is_none() {
            self.profile.think_end = Some(Thoughts::END.to_owned());
        }
        thinking.beside(heeds)
    }

    /// Does the prompt open the thought, as far as is known here?
    fn opened(&self) -> bool {
        let system = self.profile.system.as_deref();
        let local = self.local.as_ref();
        local.is_some_and(|(tokenizer, template)| template.opens_thought(tokenizer, system))
    }

    /// How the model's thoughts are marked.
    pub(crate) fn thoughts(&self, context: Option<usize>) -> Thoughts {
        let PolicyProfile {
            think_end,
            step_separator,
            ..
        } = &self.profile;
        Thoughts {
            context,
            ..Thoughts::marked(self.opened(), think_end.as_deref(), step_separator)
        }
    }

    /// Bytes of some tokens; none where the server alone knows them.
    pub(crate) fn bytes(&self, tokens: &[u32]) -> Vec<u8> {
        let Some(tokenizer) = self.tokenizer() else {
            return Vec::new();
        };
        let bytes = tokens.iter().flat_map(|&token| tokenizer.bytes(token));
        bytes.copied().collect()
    }

    /// Token ids of a text as it stands.
    pub(crate) async fn written(
        &self,
        fleet: &Fleet,
        key: u64,
        text: &str,
    ) -> Result<Vec<u32>, Error> {
        match self.tokenizer() {
            Some(tokenizer) => Ok(tokenizer.encode(text)?),
            None => {
                fleet
                    .dialect
                    .tokenise_text(fleet.call(key), &fleet.model, text)
                    .await
            }
        }
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

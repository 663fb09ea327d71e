//! The checkpoint's own chat template.

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, context};

use crate::Error;

/// Far more than any real template needs for one conversation; a hostile one stops here.
const FUEL: u64 = 1_000_000;

/// A Jinja chat template.
pub struct ChatTemplate {
    environment: Environment<'static>,
}

impl ChatTemplate {
    /// Compiles a template.
    pub fn new(source: String) -> Result<Self, Error> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        // transformers renders chat templates with both of these on
        environment.set_syntax(
            SyntaxConfig::builder()
                .trim_blocks(true)
                .lstrip_blocks(true)
                .build()?,
        );
        environment.add_template_owned("chat", source)?;
        Ok(Self { environment })
    }

    /// The prompt that makes the model answer a question.
    pub fn question(&self, question: &str) -> Result<String, Error> {
        let messages = [context! { role => "user", content => question }];
        Ok(self
            .environment
            .get_template("chat")?
            .render(context! { messages, add_generation_prompt => true })?)
    }
}

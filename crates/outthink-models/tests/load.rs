//! From names to models.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::error::Error;
use std::sync::{Arc, Mutex};

use futures::executor::block_on;
use outthink_core::method::BEAM;
use outthink_core::{Isotonic, Limits, Policy, Prefix, Problem, Search, Step, Verifier};
use outthink_models::hub::HubError;
use outthink_models::{
    AnyVerifier, AskError, LoadError, Loader, ModelSpec, Notice, limits, mismatch, policy, verifier,
};
use serde_json::json;

fn sum() -> Arc<Problem> {
    Arc::new(Problem {
        id: "sum".into(),
        text: r"Evaluate $(17+19)\cdot 4-16$.".into(),
    })
}

/// An error with its causes, as a person sees it.
fn told(error: &dyn Error) -> String {
    let (mut told, mut cause) = (error.to_string(), error.source());
    while let Some(own) = cause {
        told = format!("{told}: {own}");
        cause = own.source();
    }
    told
}

fn refused<T>(loaded: Result<T, LoadError>) -> String {
    let error = loaded.err().unwrap();
    assert!(error.is_input());
    told(&error)
}

#[test]
fn loaded_models_are_searched_with_directly() {
    let policy = policy("micro-0.3m").unwrap();
    let verifier = verifier("micro-prm-likelihood").unwrap();
    assert_eq!(policy.usual_sampling(), policy.model.sampling());
    assert_eq!(policy.usual_limits(), limits(policy.model.profile()));
    let search = Search::new(&policy).verifier(&verifier).method(BEAM);
    let outcome = block_on(search.budget(8).solve(&sum())).unwrap();
    assert_eq!(outcome.answer.as_deref(), Some("128"));
}

#[test]
fn what_a_spec_says_counts_more_than_the_profile() {
    let usual = policy("micro-24k").unwrap();
    assert_eq!(usual.limits, limits(usual.model.profile()));
    let spec = ModelSpec {
        name: Some("small".into()),
        temperature: Some(0.3),
        top_p: Some(0.9),
        max_tokens: Some(17),
        price: Some([1.0, 2.0]),
        ..ModelSpec::from("micro-24k")
    };
    let own = policy(&spec).unwrap();
    assert_eq!(own.info.name, "small");
    assert_eq!(own.info.price, Some([1.0, 2.0]));
    assert_eq!((own.sampling.temperature, own.sampling.top_p), (0.3, 0.9));
    let limits = Limits {
        solution_tokens: 17,
        ..usual.limits
    };
    assert_eq!(own.limits, limits);
    // How it is asked and what it is called is not what it is.
    assert_eq!(own.info.identity, usual.info.identity);
}

/// Identities are part of the hash of every stored sample.
#[test]
fn identities_are_what_stores_know_them_by() {
    let mut policy = policy("micro-24k+grid-24k").unwrap().info;
    let text = policy.identity["profile_text"].take();
    assert_eq!(text["step_separator"], "\n\n");
    assert_eq!(policy.name, "micro-24k+grid-24k");
    assert_eq!(
        policy.identity,
        json!({
            "model": "micro-24k+grid-24k", "dtype": "auto", "parameters": 49_248, "profile": "micro+grid",
            "profile_text": null,
        })
    );
    let spec = ModelSpec {
        windows: true,
        reference: Some("micro-24k".into()),
        dtype: "f32".parse().unwrap(),
        ..ModelSpec::from("micro-prm-likelihood")
    };
    let loader = Loader::default();
    let verifier = loader.verifier(&spec).unwrap();
    let mut identity = json!({
        "model": "micro-prm-likelihood", "dtype": "f32", "parameters": 1_585_088, "profile": "micro",
        "reference": {"model": "micro-24k", "dtype": "f32"}, "windows": true,
    });
    assert_eq!(verifier.info.identity, identity);
    let map = Isotonic {
        knots: vec![(0.25, 0.5)],
    };
    let calibrated = loader.describe(verifier.model.calibrated(map), &spec);
    let calibrated = calibrated.unwrap();
    identity["calibration"] = json!({"knots": [[0.25, 0.5]]});
    assert_eq!(calibrated.info.identity, identity);
    assert_eq!(calibrated.info.name, "micro-prm-likelihood-calibrated");
}

#[test]
fn the_step_checker_is_no_model_and_costs_nothing() {
    let checker = verifier("step-checker").unwrap();
    assert_eq!(
        checker.info.identity,
        json!({"model": "step-checker", "dtype": "auto", "parameters": null, "profile": null})
    );
    let wrong = ["$17+19=35$.", "$35\\cdot 4=140$."];
    let prefix = Prefix {
        problem: sum(),
        steps: wrong.map(|text| Arc::new(Step::written(text))).to_vec(),
        complete: true,
    };
    let judged = block_on(checker.score(vec![prefix])).unwrap();
    assert_eq!(judged[0].rewards[0], 0.0);
    assert!(matches!(checker.model, AnyVerifier::StepChecker(_)));
}

#[test]
fn a_policy_has_its_own_verifier_and_knows_its_own_problems() {
    let (numbers, grids) = (policy("micro-24k").unwrap(), policy("grid-24k").unwrap());
    let usual = numbers.model.usual_verifier().unwrap();
    assert_eq!(usual, "micro-prm-likelihood");
    let usual = verifier(usual).unwrap();
    assert_eq!(mismatch(&numbers.model, &usual.model), None);
    let reason = mismatch(&grids.model, &usual.model).unwrap();
    assert!(reason.contains("its rewards mean nothing"), "{reason}");
    numbers.model.check(&sum()).unwrap();
    let foreign = Problem {
        id: "foreign".into(),
        text: "Wie viel ist 7+8?".into(),
    };
    let error = numbers.model.check(&foreign).unwrap_err();
    assert!(matches!(error, AskError::Foreign { .. }), "{error}");
}

#[test]
fn what_is_named_wrongly_is_told_with_what_was_meant() {
    let of = |spec: ModelSpec| refused(policy(spec));
    assert_eq!(
        of("micro-0.3".into())
            .split_once(", and none of ")
            .unwrap()
            .0,
        "unknown model `micro-0.3`: no folder or file of that name, no hub id, no server's address"
    );
    assert!(of("micro-0.3".into()).ends_with("; did you mean micro-0.3m?"));
    assert!(of("./nowhere.gguf".into()).starts_with("there is no file or folder ./nowhere.gguf"));
    let verifier_as_policy = of("micro-prm".into());
    assert!(
        verifier_as_policy.starts_with("policy micro-prm: no policy profile fits this checkpoint"),
        "{verifier_as_policy}"
    );
    let micro = || ModelSpec::from("micro-24k");
    let odd = ModelSpec {
        profile: Some("micr".into()),
        ..micro()
    };
    assert!(of(odd).contains("micr"));
    let hot = ModelSpec {
        temperature: Some(101.0),
        ..micro()
    };
    assert_eq!(of(hot), "a temperature must be from 0 to 100");
    let active = ModelSpec {
        active_parameters: Some(1 << 40),
        ..micro()
    };
    assert_eq!(
        of(active),
        "micro-24k has 24704 parameters, so not 1099511627776 of them can be active"
    );
    let pair = ModelSpec {
        profile: Some("micro".into()),
        ..ModelSpec::from("micro-24k+grid-24k")
    };
    assert_eq!(
        of(pair),
        "micro-24k+grid-24k has a profile for each of its models; leave out --policy-profile"
    );
    assert_eq!(
        refused(verifier("none")),
        "`none` is no verifier; leave the list of verifiers empty"
    );
    assert_eq!(
        refused(verifier("http://127.0.0.1:9/v1")),
        "a verifier's servers are sent token ids; name its tokenizer with --verifier-tokenizer"
    );
}

#[test]
fn what_may_pass_is_no_fault_of_the_name() {
    let unreachable = HubError::Unreachable {
        what: "a/b@main".into(),
        endpoint: "https://hub.example".into(),
        reason: "503 Service Unavailable".into(),
        advice: "",
    };
    let about = HubError::About {
        what: "config.json".into(),
        source: Box::new(unreachable),
    };
    let error = LoadError::Hub(Box::new(about));
    assert!(!error.is_input());
    assert_eq!(
        told(&error),
        "config.json: cannot fetch a/b@main from https://hub.example: 503 Service Unavailable"
    );
    let absent = HubError::Absent {
        id: "a/b@main".into(),
        reason: "404 Not Found".into(),
    };
    assert!(LoadError::Hub(Box::new(absent)).is_input());
}

#[test]
fn a_loader_tells_where_a_model_is_from() {
    let folder = std::env::temp_dir().join(format!("outthink-models-{}", std::process::id()));
    let told: Arc<Mutex<Vec<Notice>>> = Arc::default();
    let heard = Arc::clone(&told);
    let loader = Loader::telling(move |notice| heard.lock().unwrap().push(notice));
    loader.policy("micro-24k").unwrap();
    assert_eq!(*told.lock().unwrap(), []);
    std::fs::create_dir_all(&folder).unwrap();
    let nowhere = folder.join("nowhere");
    let error = loader.policy(nowhere.to_string_lossy().into_owned());
    assert!(matches!(error, Err(LoadError::Missing { .. })));
    std::fs::remove_dir_all(folder).unwrap();
    let notice = Notice::TakenFromHere("models/micro".into());
    assert_eq!(
        notice.to_string(),
        "models/micro is taken from here, not from the hub"
    );
}

#[test]
fn a_spec_is_read_as_it_is_written() {
    let spec = ModelSpec {
        dtype: "q8_0".parse().unwrap(),
        max_tokens: Some(100),
        oracle: true,
        ..ModelSpec::from("owner/name@main")
    };
    let written = serde_json::to_value(&spec).unwrap();
    assert_eq!(
        written,
        json!({"model": "owner/name@main", "dtype": "q8_0", "max-tokens": 100, "oracle": true})
    );
    assert_eq!(serde_json::from_value::<ModelSpec>(written).unwrap(), spec);
    let wrong = json!({"model": "m", "dtype": "f8"});
    let error = serde_json::from_value::<ModelSpec>(wrong).unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown type of weights `f8` (one of auto, f32, stored, q8_0)"
    );
}

#[test]
fn what_the_engine_does_not_run_is_offered_a_server() {
    let folder = std::env::temp_dir().join(format!("outthink-foreign-{}", std::process::id()));
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/micro/micro-24k");
    std::fs::create_dir_all(&folder).unwrap();
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        std::fs::copy(format!("{own}/{file}"), folder.join(file)).unwrap();
    }
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let foreign = config.replace("ForCausalLM", "OfTomorrowForCausalLM");
    std::fs::write(folder.join("config.json"), foreign).unwrap();
    let name = folder.display().to_string();
    for (told, role) in [
        (refused(policy(name.as_str())), "policy"),
        (refused(verifier(name.as_str())), "verifier"),
    ] {
        let advice = format!("`--{role} vllm:{name}` starts a server that may run it: ");
        assert!(
            told.starts_with(&advice) && told.contains("OfTomorrow"),
            "{told}"
        );
    }
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_control_of_thoughts_is_part_of_what_a_policy_is_known_by() {
    let info = |thinking: Option<&str>| {
        let spec = ModelSpec {
            thinking: thinking.map(|own| own.parse().unwrap()),
            ..ModelSpec::from("micro-24k")
        };
        policy(spec).unwrap().info
    };
    let [plain, cap, other] = [None, Some("cap:5"), Some("cap:6")].map(info);
    assert_eq!(plain.name, "micro-24k");
    assert_eq!(plain.identity.get("thinking"), None);
    assert_eq!(cap.name, "micro-24k-cap:tokens=5");
    assert_eq!(cap.identity["thinking"], json!("cap:tokens=5"));
    assert_ne!(cap.identity, other.identity);
    let written = json!(ModelSpec::from("micro-24k"));
    assert_eq!(
        written.get("thinking"),
        None,
        "stored forms stay as they were"
    );
}

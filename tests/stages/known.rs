//! The memory that the table of known models states is what a model is refused by.

use inf_llava::config::{Config, ConfigFiles};
use inf_llava::known;
use inf_llava::model::Estimate;
use inf_llava::weights::arrange::{Precision, arrange};
use inf_llava::weights::manifest::{FORMAT, Manifest, SHARD_BYTES, VERSION};
use serde_json::Value;

use crate::support::known::settings;

/// What a conversion to 4 bits writes for `config`, without its shards.
fn converted(config: &Config) -> Manifest {
    let arranged = arrange(&config.weights(), Precision::Q4, SHARD_BYTES).expect("arranged");
    Manifest {
        format: FORMAT.into(),
        version: VERSION,
        name: String::new(),
        revision: String::new(),
        license: String::new(),
        config: Value::Null,
        generation: Value::Null,
        prompt: String::new(),
        files: Vec::new(),
        shards: Vec::new(),
        tensors: arranged.tensors,
    }
}

#[test]
fn the_table_of_models_states_the_estimate() {
    for known in known::all() {
        let short = known.short.as_str();
        let settings = settings(short);
        let files = ConfigFiles {
            config: &settings.config,
            preprocessor: settings.preprocessor.as_deref(),
            processor: settings.processor.as_deref(),
            ..ConfigFiles::default()
        };
        let config = Config::from_files(&files).unwrap_or_else(|e| panic!("{short}: {e}"));
        let context_tokens = config.context_tokens(None).expect("a context");
        // The model in the program is not converted.
        let manifest = known.id.as_ref().map(|_| converted(&config));
        let estimate = Estimate::new(&config, manifest.as_ref(), context_tokens);
        assert_eq!(
            known.memory_bytes,
            estimate.total_bytes(),
            "{short}: {estimate:?}"
        );
    }
}

//! The models that are known by name.

use super::stdout;
use inf_llava::known;

#[test]
fn the_table_is_told_in_100_columns_and_as_json() {
    let told = stdout(&["models"]);
    for line in told.lines() {
        let columns = line.chars().count();
        assert!(columns <= 100, "{columns} columns: {line}");
    }
    for known in known::all() {
        let id = known.id.as_deref().unwrap_or("in this program");
        for part in [&known.short, id, &known.license, &known.good_for] {
            assert!(told.contains(part), "{part} is not in {told}");
        }
    }
    let listed: Vec<known::Known> = serde_json::from_str(&stdout(&["models", "--json"])).unwrap();
    assert_eq!(listed, known::all());
}

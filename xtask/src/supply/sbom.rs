//! The bill of materials of a product, for programs that search for packages with known
//! vulnerabilities.
//!
//! In: a [`Product`]. Out: CycloneDX 1.6 as JSON. Equal products give equal bytes: the serial
//! number is a hash of the contents, and a time is included only if SOURCE_DATE_EPOCH is set.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::inventory::{Package, Product, Source};

/// The document for `product`. `epoch_s` are seconds since 1970.
pub fn document(product: &Product, epoch_s: Option<u64>) -> Value {
    let own = format!(
        "pkg:{}/inf-llava@{}",
        if product.word == "page" {
            "npm"
        } else {
            "cargo"
        },
        product.version
    );
    let components: Vec<Value> = product.packages.iter().map(component).collect();
    let mut dependencies = vec![dependency(&own, &product.uses, product)];
    for package in &product.packages {
        dependencies.push(dependency(&purl(package), &package.uses, product));
    }
    let mut metadata = json!({
        "component": {
            "type": if product.word == "page" { "library" } else { "application" },
            "bom-ref": &own,
            "name": "inf-llava",
            "version": product.version,
            "description": product.title,
            "licenses": [{ "license": { "id": "Apache-2.0" } }],
            "purl": &own,
        },
        "tools": { "components": [{ "type": "application", "name": "inf-llava xtask", "version": product.version }] },
        "lifecycles": [{ "phase": "build" }],
    });
    if let Some(seconds) = epoch_s {
        metadata["timestamp"] = json!(timestamp(seconds));
    }
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": metadata,
        "components": components,
        "dependencies": dependencies,
    });
    document["serialNumber"] = json!(serial_number(&document.to_string()));
    document
}

/// Checks that a document has what CycloneDX's schema requires, and that its references resolve;
/// the error says what is wrong.
pub fn verify(document: &Value) -> Result<(), String> {
    let wanted = [
        ("bomFormat", json!("CycloneDX")),
        ("specVersion", json!("1.6")),
        ("version", json!(1)),
    ];
    if let Some((field, value)) = wanted
        .iter()
        .find(|(field, value)| document[field] != *value)
    {
        return Err(format!("{field} is {} instead of {value}", document[field]));
    }
    let serial = document["serialNumber"]
        .as_str()
        .and_then(|serial| serial.strip_prefix("urn:uuid:"));
    let lengths: Vec<usize> = serial
        .unwrap_or_default()
        .split('-')
        .map(str::len)
        .collect();
    if lengths != [8, 4, 4, 4, 12] {
        return Err(format!("{} is no UUID", document["serialNumber"]));
    }
    let mut listed = BTreeSet::new();
    let components = document["components"].as_array().into_iter().flatten();
    for component in components.chain([&document["metadata"]["component"]]) {
        for field in ["type", "name", "version", "bom-ref", "purl"] {
            if component[field].as_str().is_none_or(str::is_empty) {
                return Err(format!("no {field} in {component}"));
            }
        }
        let license = &component["licenses"][0];
        let expression = license["expression"]
            .as_str()
            .or(license["license"]["id"].as_str());
        if expression.is_none_or(|text| spdx::Expression::parse(text).is_err()) {
            return Err(format!("no SPDX expression in {component}"));
        }
        if !listed.insert(component["bom-ref"].as_str()) {
            return Err(format!("{} is listed twice", component["bom-ref"]));
        }
    }
    let mut told = BTreeSet::new();
    for dependency in document["dependencies"].as_array().into_iter().flatten() {
        let on = dependency["dependsOn"].as_array().into_iter().flatten();
        if let Some(lost) = on
            .chain([&dependency["ref"]])
            .find(|on| !listed.contains(&on.as_str()))
        {
            return Err(format!("{lost} is depended on, and not listed"));
        }
        told.insert(dependency["ref"].as_str());
    }
    match listed.difference(&told).next() {
        Some(silent) => Err(format!("what {silent:?} depends on is not told")),
        None => Ok(()),
    }
}

fn component(package: &Package) -> Value {
    let purl = purl(package);
    let algorithm = match package.source {
        Source::CratesIo => "SHA-256",
        Source::Npm => "SHA-512",
    };
    let mut component = json!({
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "scope": "required",
        "hashes": [{ "alg": algorithm, "content": package.hash }],
        "purl": purl,
        "externalReferences": [{ "type": "distribution", "url": package.address() }],
    });
    // Old manifests write a choice as `MIT/Apache-2.0`.
    let license = package.license.replace(" / ", "/").replace('/', " OR ");
    if !license.is_empty() {
        component["licenses"] = json!([{ "expression": license }]);
    }
    if package.repository.starts_with("https://") {
        let reference = json!({ "type": "vcs", "url": package.repository });
        if let Some(references) = component["externalReferences"].as_array_mut() {
            references.push(reference);
        }
    }
    component
}

fn dependency(of: &str, on: &[usize], product: &Product) -> Value {
    let on: Vec<String> = on
        .iter()
        .filter_map(|&place| product.packages.get(place))
        .map(purl)
        .collect();
    json!({ "ref": of, "dependsOn": on })
}

/// The package URL, which identifies a package for every tool: `pkg:cargo/serde@1.0.0`.
fn purl(package: &Package) -> String {
    let kind = match package.source {
        Source::CratesIo => "cargo",
        Source::Npm => "npm",
    };
    // `1.0.0+more`, and `@scope/name`
    let [name, version] =
        [&package.name, &package.version].map(|part| part.replace('+', "%2B").replace('@', "%40"));
    format!("pkg:{kind}/{name}@{version}")
}

/// A UUID of RFC 9562's version 8 (custom format) from FNV-1a with 128 bits: an identifier of the
/// contents, without security.
fn serial_number(text: &str) -> String {
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in text.bytes() {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    let hash = hash & !(0xf << 76 | 0x3 << 62) | 0x8 << 76 | 0x2 << 62;
    let digits = format!("{hash:032x}");
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    format!("urn:uuid:{}", parts.join("-"))
}

/// The time in the form `1970-01-01T00:00:00Z`, for 1970 or later.
fn timestamp(seconds: u64) -> String {
    let (day, second) = (seconds / 86_400, seconds % 86_400);
    // Counts years from March, so that the leap day is the last day; 719,468 days precede 1970.
    let day = day + 719_468;
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = era * 400 + year + next;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(source: Source, name: &str, version: &str, uses: Vec<usize>) -> Package {
        Package {
            source,
            name: name.to_owned(),
            version: version.to_owned(),
            license: "MIT/Apache-2.0".to_owned(),
            authors: Vec::new(),
            repository: "https://example.org/a".to_owned(),
            folder: "/crates".into(),
            hash: "00ff".to_owned(),
            uses,
        }
    }

    fn product() -> Product {
        Product {
            title: "the page",
            word: "page",
            notices: "THIRD-PARTY.txt",
            version: "0.1.0".to_owned(),
            packages: vec![
                package(Source::CratesIo, "a", "1.0.0+more", vec![1]),
                package(Source::CratesIo, "b", "2.0.0", Vec::new()),
                package(Source::Npm, "@scope/c", "3.0.0", Vec::new()),
            ],
            uses: vec![0, 2],
        }
    }

    #[test]
    fn a_document_has_what_the_format_requires() {
        let document = document(&product(), None);
        assert_eq!(verify(&document), Ok(()));
        let [first, _, last] = document["components"]
            .as_array()
            .expect("a list")
            .as_slice()
        else {
            panic!("three components");
        };
        assert_eq!(first["purl"], "pkg:cargo/a@1.0.0%2Bmore");
        assert_eq!(first["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(
            first["hashes"][0],
            json!({ "alg": "SHA-256", "content": "00ff" })
        );
        assert_eq!(last["purl"], "pkg:npm/%40scope/c@3.0.0");
        assert_eq!(
            document["dependencies"][0]["dependsOn"],
            json!([first["purl"], last["purl"]])
        );
        assert_eq!(
            document["dependencies"][1]["dependsOn"],
            json!(["pkg:cargo/b@2.0.0"])
        );
    }

    #[test]
    fn a_document_that_lacks_something_is_refused() {
        let refuses = |spoil: fn(&mut Value), why: &str| {
            let mut document = document(&product(), None);
            spoil(&mut document);
            let said = verify(&document);
            assert!(
                said.as_ref().is_err_and(|said| said.contains(why)),
                "{said:?}"
            );
        };
        refuses(|d| d["specVersion"] = json!("1.4"), "specVersion");
        refuses(|d| d["serialNumber"] = json!("urn:uuid:1"), "no UUID");
        refuses(|d| d["components"][0]["version"] = json!(""), "no version");
        refuses(
            |d| d["components"][1]["bom-ref"] = d["components"][0]["bom-ref"].clone(),
            "twice",
        );
        refuses(|d| d["components"][1]["licenses"] = Value::Null, "SPDX");
        refuses(
            |d| d["dependencies"][0]["dependsOn"][0] = json!("pkg:cargo/z@1"),
            "not listed",
        );
        refuses(
            |d| d["dependencies"][3] = d["dependencies"][0].clone(),
            "not told",
        );
    }

    #[test]
    fn equal_products_give_equal_documents_and_others_another_number() {
        let one = document(&product(), None);
        assert_eq!(one.to_string(), document(&product(), None).to_string());
        assert!(one["metadata"]["timestamp"].is_null());
        let mut other = product();
        other.packages[1].version = "2.0.1".to_owned();
        assert_ne!(one["serialNumber"], document(&other, None)["serialNumber"]);
        let dated = document(&product(), Some(1_700_000_000));
        assert_eq!(dated["metadata"]["timestamp"], "2023-11-14T22:13:20Z");
    }

    #[test]
    fn days_become_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (4_102_444_800, "2100-01-01T00:00:00Z"),
        ] {
            assert_eq!(timestamp(seconds), text);
        }
    }
}

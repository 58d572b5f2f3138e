//! What is alive for each choice: numbers of passes worked out by hand, and rows that exist.

use inf_llava_core::spec::plan::{Coverage, Plan};
use inf_llava_core::spec::{Ablation, Dem, Directions, Fusion, Modules, Pooling};

const RELEASE: fn() -> Ablation = Ablation::default;

fn average() -> Ablation {
    Ablation {
        pooling: Pooling::Average,
        ..RELEASE()
    }
}

fn modules(modules: Modules) -> Ablation {
    Ablation {
        modules,
        ..RELEASE()
    }
}

fn fusion(fusion: Fusion) -> Ablation {
    Ablation {
        fusion,
        ..RELEASE()
    }
}

fn dem(dem: Dem, directions: Directions) -> Ablation {
    Ablation {
        dem,
        directions,
        ..RELEASE()
    }
}

fn alone(ablation: Ablation) -> Ablation {
    Ablation {
        low_resolution: false,
        ..ablation
    }
}

fn passes(n: usize, h: usize, ablation: Ablation) -> (usize, usize) {
    let count = |coverage| Plan::new(n, h, ablation, coverage).passes().len();
    (count(Coverage::Live), count(Coverage::Dense))
}

/// (N, h, choices, live, dense): local crops + global crops + low resolution.
#[test]
fn passes_of_each_choice() {
    let cases = [
        (3, 24, RELEASE(), 9 + 1, 19),
        (3, 24, alone(RELEASE()), 9 + 1, 18),
        // All is alive, and the low resolution is one of the global crops.
        (3, 24, average(), 9 + 9, 19),
        (3, 24, alone(average()), 9 + 9, 18),
        (2, 24, average(), 4 + 4 + 1, 9),
        (3, 24, modules(Modules::None), 1, 1),
        (1, 24, modules(Modules::None), 1, 1),
        (3, 24, modules(Modules::Local), 9 + 1, 10),
        (3, 24, alone(modules(Modules::Local)), 9, 9),
        // Odd N selects the one global crop that the low resolution is.
        (3, 24, modules(Modules::Global), 1, 10),
        (5, 24, modules(Modules::Global), 1, 26),
        (4, 24, modules(Modules::Global), 4 + 1, 17),
        (3, 24, modules(Modules::LocalGlobal), 9 + 1, 19),
        // One crop a side is all three.
        (1, 24, RELEASE(), 1, 3),
        (1, 24, modules(Modules::Local), 1, 2),
        (1, 24, alone(modules(Modules::Local)), 1, 1),
        (3, 24, dem(Dem::Released, Directions::Global), 9 + 1, 19),
        (3, 24, dem(Dem::Released, Directions::Local), 9 + 1, 19),
        (3, 24, fusion(Fusion::Addition), 9 + 1, 19),
        // Three residues of five, all four of four.
        (3, 24, fusion(Fusion::Conv3x3), 9 + 9, 19),
        (4, 24, fusion(Fusion::Conv3x3), 16 + 16 + 1, 33),
        (5, 24, fusion(Fusion::Conv3x3), 25 + 9, 51),
        (6, 24, fusion(Fusion::Conv3x3), 36 + 16 + 1, 73),
        // The keys of the paper's local enhancement are all of a tile of the global map.
        (3, 24, dem(Dem::Paper, Directions::Both), 9 + 9, 19),
        (3, 24, dem(Dem::Paper, Directions::Local), 9 + 9, 19),
        (3, 24, dem(Dem::Paper, Directions::Global), 9 + 1, 19),
        // Tiles 1 and 3 of five, of two positions each: residues 2, 3 and 1, 2.
        (5, 2, dem(Dem::Paper, Directions::Both), 4 + 9, 51),
        (5, 2, RELEASE(), 4 + 1, 51),
    ];
    for (n, h, ablation, live, dense) in cases {
        let what = format!("N = {n}, h = {h}: {ablation:?}");
        assert_eq!(passes(n, h, ablation), (live, dense), "{what}");
    }
}

/// For all choices: rows are of features that exist, an output token's weights sum to one, residues
/// are neighbours (the kernel relies on it), and dense has everything.
#[test]
fn every_row_exists() {
    let mut choices = Vec::new();
    for &pooling in Pooling::ALL {
        for &fusion in Fusion::ALL {
            for &dem in Dem::ALL {
                for &directions in Directions::ALL {
                    choices.push(Ablation {
                        pooling,
                        fusion,
                        dem,
                        directions,
                        ..RELEASE()
                    });
                }
            }
        }
        for &modules in &Modules::ALL[1..] {
            choices.push(Ablation {
                pooling,
                modules,
                ..RELEASE()
            });
        }
    }
    for ablation in choices {
        for (n, h) in (1..=6).flat_map(|n| [1, 2, 3, 4, 7].map(|h| (n, h))) {
            for coverage in [Coverage::Live, Coverage::Dense] {
                rows_exist(&Plan::new(n, h, ablation, coverage));
            }
        }
    }
}

fn rows_exist(plan: &Plan) {
    let (n, h) = (plan.crops_per_side, plan.tokens_per_side);
    let what = format!("N = {n}, h = {h}: {plan:?}");
    let tokens = h * h;
    let queries = plan.query_count();
    assert!(queries > 0 && plan.fused_count() <= queries, "{what}");
    assert!(plan.residues.windows(2).all(|r| r[0] + 1 == r[1]), "{what}");
    let below = |rows: &[usize], count: usize| rows.iter().all(|&row| row < count);
    let distinct = |mut rows: Vec<usize>| {
        let count = rows.len();
        rows.sort_unstable();
        rows.dedup();
        rows.len() == count
    };
    if !plan.tiles.is_empty() {
        let rows = plan.local_rows();
        assert!(below(&rows, plan.tiles.len().pow(2) * tokens), "{what}");
        assert!(rows.len() == queries && distinct(rows), "{what}");
    }
    if !plan.globals.is_empty() {
        let rows = plan.global_rows();
        assert!(below(&rows, plan.globals.len().pow(2) * tokens), "{what}");
        assert!(rows.len() == queries && distinct(rows), "{what}");
        if plan.globals == plan.residues {
            assert!(plan.global_rows().into_iter().eq(0..queries), "{what}");
        }
    }
    let neighbours = plan.neighbour_rows();
    assert!(neighbours.iter().all(|rows| below(rows, queries + 1)));
    // In the middle is the position itself.
    assert!(distinct(neighbours[4].clone()) && below(&neighbours[4], queries));
    for token in plan.output_rows() {
        let sum: f32 = token.iter().map(|&(_, weight)| weight).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{what}: {sum}");
        assert!(token.iter().all(|&(row, _)| row < plan.fused_count()));
    }
    if plan.coverage == Coverage::Dense {
        assert_eq!(plan.fused_count(), (n * h).pow(2), "{what}");
    }
}

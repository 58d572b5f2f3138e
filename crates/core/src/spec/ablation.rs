//! The paper's ablations (Tab. 3 to 6) as choices of one configuration, the block `inf_llava` of `config.json`. Keys
//! left out take the released values.

use serde::Serialize;

/// Defines an enum of choices with their names in `config.json`; the first is the release's.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub enum $name {
            $($(#[$of])* #[serde(rename = $text)] $variant,)+
        }

        impl $name {
            /// Every choice, the release's first.
            pub const ALL: &'static [$name] = &[$($name::$variant),+];

            /// The name in `config.json`.
            pub fn name(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)+
                }
            }

            /// The inverse of `name`.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|choice| choice.name() == name)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::ALL[0]
            }
        }
    };
}

choices! {
    /// How the map of `N*h x N*h` positions is reduced to `h x h` tokens.
    Pooling {
        /// The release: bilinear, `align_corners = false`, no antialias.
        Bilinear = "bilinear",
        /// The paper's equation 7: the mean of each N x N block.
        Average = "average",
    }
}

choices! {
    /// Which perspectives are used, and whether they are enhanced (Tab. 6).
    Modules {
        /// Both, enhanced and fused: the release.
        DcmDem = "dcm_dem",
        /// Only the local crops' map.
        Local = "local",
        /// Only the global crops' map.
        Global = "global",
        /// The sum of both maps, without DEM.
        LocalGlobal = "local_global",
        /// Only the low-resolution image. With one crop per side this is LLaVA-1.5's pipeline.
        None = "none",
    }
}

impl Modules {
    /// Whether there is a map of the local crops.
    pub fn has_local(self) -> bool {
        matches!(
            self,
            Modules::DcmDem | Modules::Local | Modules::LocalGlobal
        )
    }

    /// Whether there is a map of the global crops.
    pub fn has_global(self) -> bool {
        matches!(
            self,
            Modules::DcmDem | Modules::Global | Modules::LocalGlobal
        )
    }

    /// Whether there is an enhancement module.
    pub fn has_enhancement(self) -> bool {
        self == Modules::DcmDem
    }
}

choices! {
    /// Which of the two maps is enhanced by the other before they are fused (Tab. 4).
    Directions {
        /// G' and L'.
        Both = "both",
        /// Only G': L' is L, the recombined features of the local crops.
        Global = "global",
        /// Only L': G' is G, the recombined features of the global crops.
        Local = "local",
    }
}

impl Directions {
    /// Whether the global map queries the local one.
    pub fn has_global(self) -> bool {
        self != Directions::Local
    }

    /// Whether the local map queries the global one.
    pub fn has_local(self) -> bool {
        self != Directions::Global
    }
}

choices! {
    /// How L' and G' become one map (Tab. 5). A LayerNorm follows each.
    Fusion {
        /// `concat(ffn(L'), ffn(G')) + G' + L'`: the release.
        LinearConcat = "linear_concat",
        /// A 3 x 3 convolution of `concat(L', G')`, 2C -> C, zeros around the map.
        Conv3x3 = "conv3x3",
        /// `G' * L'`.
        Multiplication = "multiplication",
        /// `a L' + b G'` with a learned weight for each channel of each map.
        WeightedAddition = "weighted_addition",
        /// The element-wise maximum.
        Maxpool = "maxpool",
        /// `G' + L'`.
        Addition = "addition",
    }
}

choices! {
    /// Which definition of the attention (eq. 18-25).
    Dem {
        /// One attention for both directions; G queries L in contiguous tiles, L queries G in strided sets.
        Released = "released",
        /// A separate attention for each direction, with the sets exchanged: G queries L in strided sets (eq. 18-21),
        /// L queries G in contiguous tiles (eq. 22-25). The equations do not define heads, biases, output linear,
        /// residual and LayerNorm; these are as in the release.
        Paper = "paper",
    }
}

/// A configuration of the part between tower and projector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Ablation {
    /// Whether the low-resolution features are averaged in ("336 + 1008" of Tab. 3) or not ("1008").
    pub low_resolution: bool,
    /// `pooling`.
    pub pooling: Pooling,
    /// `modules`.
    pub modules: Modules,
    /// `enhancement`.
    #[serde(rename = "enhancement")]
    pub directions: Directions,
    /// `fusion`.
    pub fusion: Fusion,
    /// `dem`.
    pub dem: Dem,
}

impl Default for Ablation {
    /// The release.
    fn default() -> Self {
        Ablation {
            low_resolution: true,
            pooling: Pooling::default(),
            modules: Modules::default(),
            directions: Directions::default(),
            fusion: Fusion::default(),
            dem: Dem::default(),
        }
    }
}

impl Ablation {
    /// The settings that differ from the release's, as in `config.json`; none if all are the same.
    pub fn departures(&self) -> Option<String> {
        let release = Ablation::default();
        let entries = [
            (
                "low_resolution",
                "false",
                self.low_resolution == release.low_resolution,
            ),
            (
                "pooling",
                self.pooling.name(),
                self.pooling == release.pooling,
            ),
            (
                "modules",
                self.modules.name(),
                self.modules == release.modules,
            ),
            (
                "enhancement",
                self.directions.name(),
                self.directions == release.directions,
            ),
            ("fusion", self.fusion.name(), self.fusion == release.fusion),
            ("dem", self.dem.name(), self.dem == release.dem),
        ];
        let departures: Vec<_> = entries
            .iter()
            .filter(|(_, _, is_released)| !is_released)
            .map(|(entry, name, _)| format!("{entry} {name}"))
            .collect();
        (!departures.is_empty()).then(|| departures.join(", "))
    }

    /// The first setting that applies to a part that this configuration lacks, and what it has instead. Such a
    /// setting would be silently ignored; the release's value is always allowed.
    pub fn ignored(&self) -> Option<(&'static str, &'static str)> {
        let release = Ablation::default();
        let of_enhancement = [
            ("enhancement", self.directions != release.directions),
            ("fusion", self.fusion != release.fusion),
            ("dem", self.dem != release.dem),
        ];
        let of_maps = [
            ("pooling", self.pooling != release.pooling),
            ("low_resolution", !self.low_resolution),
        ];
        let first = |entries: &[(&'static str, bool)], instead| {
            let set = entries.iter().find(|(_, is_set)| *is_set);
            set.map(|&(entry, _)| (entry, instead))
        };
        let enhancement = match self.modules.has_enhancement() {
            true => None,
            false => first(&of_enhancement, "no enhancement module"),
        };
        enhancement.or_else(|| match self.modules {
            Modules::None => first(&of_maps, "nothing but the low-resolution image"),
            _ => None,
        })
    }
}

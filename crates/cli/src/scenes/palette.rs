//! The eight named colours and six named shapes, and the pairs of them that are held out.

/// A named colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Colour {
    Red,
    Orange,
    Yellow,
    Green,
    Blue,
    Purple,
    Black,
    White,
}

impl Colour {
    /// Every colour, in the order of [`Colour::index`].
    pub const ALL: [Colour; 8] = [
        Colour::Red,
        Colour::Orange,
        Colour::Yellow,
        Colour::Green,
        Colour::Blue,
        Colour::Purple,
        Colour::Black,
        Colour::White,
    ];

    /// Its index in [`Colour::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its name, lower case.
    pub fn name(self) -> &'static str {
        match self {
            Colour::Red => "red",
            Colour::Orange => "orange",
            Colour::Yellow => "yellow",
            Colour::Green => "green",
            Colour::Blue => "blue",
            Colour::Purple => "purple",
            Colour::Black => "black",
            Colour::White => "white",
        }
    }

    /// Red, green, blue, 0..=255, before a drawing's slight change of brightness.
    pub fn rgb(self) -> [u8; 3] {
        match self {
            Colour::Red => [217, 38, 43],
            Colour::Orange => [247, 132, 22],
            Colour::Yellow => [252, 215, 43],
            Colour::Green => [38, 152, 68],
            Colour::Blue => [36, 92, 214],
            Colour::Purple => [134, 52, 168],
            Colour::Black => [26, 27, 32],
            Colour::White => [248, 248, 245],
        }
    }

    /// Whether dark letters and dark outlines are visible on it.
    pub fn is_light(self) -> bool {
        matches!(self, Colour::Orange | Colour::Yellow | Colour::White)
    }
}

/// A named shape of figures; "shape" in a question never means a sign or a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Shape {
    Circle,
    Square,
    Triangle,
    Star,
    Cross,
    Ring,
}

impl Shape {
    /// Every shape, in the order of [`Shape::index`].
    pub const ALL: [Shape; 6] = [
        Shape::Circle,
        Shape::Square,
        Shape::Triangle,
        Shape::Star,
        Shape::Cross,
        Shape::Ring,
    ];

    /// Its index in [`Shape::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// Its singular name, lower case.
    pub fn name(self) -> &'static str {
        match self {
            Shape::Circle => "circle",
            Shape::Square => "square",
            Shape::Triangle => "triangle",
            Shape::Star => "star",
            Shape::Cross => "cross",
            Shape::Ring => "ring",
        }
    }

    /// Its plural name, lower case.
    pub fn plural(self) -> &'static str {
        match self {
            Shape::Circle => "circles",
            Shape::Square => "squares",
            Shape::Triangle => "triangles",
            Shape::Star => "stars",
            Shape::Cross => "crosses",
            Shape::Ring => "rings",
        }
    }
}

/// Pairs that [`Split::Train`](super::Split::Train) never shows or mentions. Each colour and each
/// shape is in at most one of them, so that both are well known from other pairs.
pub const HELD_OUT_PAIRS: [(Colour, Shape); 5] = [
    (Colour::Green, Shape::Star),
    (Colour::Red, Shape::Ring),
    (Colour::Blue, Shape::Triangle),
    (Colour::Orange, Shape::Cross),
    (Colour::Purple, Shape::Square),
];

/// Whether the pair is one of [`HELD_OUT_PAIRS`].
pub fn is_held_out(colour: Colour, shape: Shape) -> bool {
    HELD_OUT_PAIRS.contains(&(colour, shape))
}

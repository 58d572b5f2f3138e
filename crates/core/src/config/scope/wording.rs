//! The wordings of questions about drawn scenes, on which the models for them are trained. The `{}`
//! in each are filled with parts of the scene, in order.

/// Requests for a description.
pub const REQUESTS: [&str; 8] = [
    "Describe the picture.",
    "What is in the picture?",
    "What can you see?",
    "Describe this picture.",
    "Describe the image.",
    "Describe this image.",
    "What do you see?",
    "What does the picture show?",
];

/// Is a figure there?
pub const EXISTENCE: [&str; 4] = [
    "Is there {} in the picture?",
    "Can you see {}?",
    "Does the picture show {}?",
    "Is {} anywhere in the picture?",
];

/// The colour of the only figure of a shape.
pub const COLOUR_OF_SHAPE: [&str; 4] = [
    "What colour is the {}?",
    "What is the colour of the {}?",
    "Which colour does the {} have?",
    "The {} has which colour?",
];

/// The shape of the only figure of a colour.
pub const SHAPE_OF_COLOUR: [&str; 4] = [
    "Which shape is {}?",
    "Which of the shapes is {}?",
    "What is the {} shape called?",
    "Name the {} shape.",
];

/// The number of figures.
pub const COUNT: [&str; 4] = [
    "How many {} are there?",
    "How many {} can you see?",
    "Count the {} in the picture.",
    "What is the number of {}?",
];

/// The relative position of two figures.
pub const SIDE: [&str; 3] = [
    "Is the {} {} the {}?",
    "Would you say that the {} is {} the {}?",
    "Is it true that the {} is {} the {}?",
];

/// The colour of the figure at an edge.
pub const EXTREME: [&str; 4] = [
    "What colour is the {} shape?",
    "Which colour does the {} shape have?",
    "What is the colour of the {} shape?",
    "The {} shape has which colour?",
];

/// Where a figure is.
pub const QUARTER: [&str; 3] = [
    "Where is the {}: in the top left, top right, bottom left or bottom right?",
    "In which quarter of the picture is the {}?",
    "Which corner is the {} nearest to?",
];

/// The text of the only sign.
pub const READ_ONLY_SIGN: [&str; 4] = [
    "What does the sign say?",
    "What is written on the sign?",
    "Read the sign.",
    "Which text is on the sign?",
];

/// The text of the sign of a colour.
pub const READ_SIGN: [&str; 4] = [
    "What does the {} sign say?",
    "What is written on the {} sign?",
    "Read the {} sign.",
    "Which text is on the {} sign?",
];

/// The number of bars.
pub const COUNT_BARS: [&str; 4] = [
    "How many bars are there in the chart?",
    "How many bars does the chart have?",
    "Count the bars of the chart.",
    "What is the number of bars in the chart?",
];

/// The colour of the tallest or the shortest bar.
pub const EXTREME_BAR: [&str; 3] = [
    "What colour is the {} bar?",
    "Which colour does the {} bar have?",
    "What is the colour of the {} bar in the chart?",
];

/// A comparison of two bars.
pub const COMPARE_BARS: [&str; 3] = [
    "Is the {} bar {} than the {} bar?",
    "In the chart, is the {} bar {} than the {} one?",
    "Would you say that the {} bar is {} than the {} bar?",
];

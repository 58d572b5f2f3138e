//! Renders a [`Scene`] to pixels, anti-aliased, at sub-pixel positions.

use tiny_skia::{
    Color, FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Shader, Stroke, Transform,
};

use super::Picture;
use super::chart::{Chart, PANEL_MARGIN_PX};
use super::layout::{Object, Scene};
use super::letters;
use super::palette::Shape;
use super::sign::Sign;
use crate::scenes::turned::sin_cos;

/// Offset of a soft shadow to the right and down, px; less than the gap between things.
const SHADOW_PX: [f32; 2] = [1.2, 2.0];
const DARK: [u8; 3] = [28, 29, 36];
const LIGHT: [u8; 3] = [252, 252, 250];

impl Scene {
    /// Renders the scene: `side_px` x `side_px`, RGB.
    pub fn draw(&self) -> Picture {
        let side = self.side_px as usize;
        let empty = Picture {
            width: 0,
            height: 0,
            rgb: Vec::new(),
            notices: Vec::new(),
        };
        let Some(mut canvas) = Pixmap::new(self.side_px, self.side_px) else {
            return empty; // a side of 0
        };
        self.background.paint(self.side_px, canvas.data_mut());
        if let Some(chart) = &self.chart {
            draw_chart(&mut canvas, chart);
        }
        for object in &self.objects {
            draw_object(&mut canvas, object);
        }
        for sign in &self.signs {
            draw_sign(&mut canvas, sign);
        }
        // Everything is opaque, so the premultiplied bytes are the colours.
        let rgb = canvas.data().chunks_exact(4);
        Picture {
            width: side,
            height: side,
            rgb: rgb.flat_map(|p| [p[0], p[1], p[2]]).collect(),
            notices: Vec::new(),
        }
    }
}

fn draw_object(canvas: &mut Pixmap, object: &Object) {
    let Some(path) = figure(object.shape) else {
        return;
    };
    let place = turned(object.angle, object.centre, object.size_px);
    let rgb = object.colour.rgb().map(|channel| {
        // An offset is added so that black changes with the brightness too.
        let value = f32::from(channel) * object.brightness + (object.brightness - 1.0) * 40.0;
        value.clamp(0.0, 255.0) as u8
    });
    shadow(canvas, &path, place);
    fill(canvas, &path, place, rgb);
    if object.outline_px > 0.0 {
        let edge = edge_colour(rgb);
        outline(
            canvas,
            &path,
            place,
            edge,
            object.outline_px / object.size_px,
        );
    }
}

fn draw_sign(canvas: &mut Pixmap, sign: &Sign) {
    let place = turned(sign.angle, sign.centre, 1.0);
    let (half_width, half_height) = (sign.width_px / 2.0, sign.height_px / 2.0);
    let bounds = [-half_width, -half_height, half_width, half_height];
    let Some(plate) = rounded(bounds, sign.corner_px) else {
        return;
    };
    let rgb = sign.colour.rgb();
    shadow(canvas, &plate, place);
    fill(canvas, &plate, place, rgb);
    outline(canvas, &plate, place, edge_colour(rgb), 1.0);
    let ink = if sign.colour.is_light() { DARK } else { LIGHT };
    let mut x = -letters::width(sign.font, &sign.text) * sign.cap_px / 2.0;
    for character in sign.text.chars() {
        let Some(letter) = letters::letter(sign.font, character) else {
            continue;
        };
        let at = place
            .pre_translate(x, sign.cap_px / 2.0)
            .pre_scale(sign.cap_px, sign.cap_px);
        if let Some(path) = &letter.outline {
            fill(canvas, path, at, ink);
        }
        x += letter.advance * sign.cap_px;
    }
}

fn draw_chart(canvas: &mut Pixmap, chart: &Chart) {
    let upright = Transform::identity();
    let bounds = [chart.left, chart.top, chart.right, chart.bottom];
    if let Some(panel) = rounded(bounds, 5.0) {
        shadow(canvas, &panel, upright);
        fill(canvas, &panel, upright, [243, 243, 238]);
        outline(canvas, &panel, upright, [190, 190, 186], 1.0);
    }
    let mut bar = |[left, top, right, bottom]: [f32; 4], rgb: [u8; 3]| {
        if let Some(rect) = Rect::from_ltrb(left, top, right, bottom) {
            fill(canvas, &PathBuilder::from_rect(rect), upright, rgb);
        }
    };
    for b in &chart.bars {
        bar([b.left, b.top, b.right, b.bottom], b.colour.rgb());
    }
    let axis = [95, 97, 104];
    let (x, y) = (
        chart.left + PANEL_MARGIN_PX - 2.0,
        chart.bottom - PANEL_MARGIN_PX,
    );
    bar([x - 1.5, chart.top + 7.0, x, y + 1.5], axis);
    bar([x - 1.5, y, chart.right - 6.0, y + 1.5], axis);
}

/// A figure in the box from -0.5 to 0.5.
fn figure(shape: Shape) -> Option<Path> {
    /// The star's corners, from the top, clockwise: a five-pointed star whose inner corners are at
    /// 0.45 of the outer radius, stretched to its box.
    const STAR: [[f32; 2]; 10] = [
        [0.0, -0.5],
        [0.1391, -0.1493],
        [0.5, -0.1181],
        [0.2250, 0.1283],
        [0.3090, 0.5],
        [0.0, 0.3013],
        [-0.3090, 0.5],
        [-0.2250, 0.1283],
        [-0.5, -0.1181],
        [-0.1391, -0.1493],
    ];
    /// Half the width of the cross's arms.
    const ARM: f32 = 0.17;
    const CROSS: [[f32; 2]; 12] = [
        [-ARM, -0.5],
        [ARM, -0.5],
        [ARM, -ARM],
        [0.5, -ARM],
        [0.5, ARM],
        [ARM, ARM],
        [ARM, 0.5],
        [-ARM, 0.5],
        [-ARM, ARM],
        [-0.5, ARM],
        [-0.5, -ARM],
        [-ARM, -ARM],
    ];
    let mut builder = PathBuilder::new();
    match shape {
        Shape::Circle => builder.push_circle(0.0, 0.0, 0.5),
        Shape::Ring => {
            builder.push_circle(0.0, 0.0, 0.5);
            builder.push_circle(0.0, 0.0, 0.28);
        }
        Shape::Square => polygon(
            &mut builder,
            &[[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]],
        ),
        Shape::Triangle => polygon(&mut builder, &[[0.0, -0.5], [0.5, 0.5], [-0.5, 0.5]]),
        Shape::Star => polygon(&mut builder, &STAR),
        Shape::Cross => polygon(&mut builder, &CROSS),
    }
    builder.finish()
}

fn polygon(builder: &mut PathBuilder, corners: &[[f32; 2]]) {
    for (index, &[x, y]) in corners.iter().enumerate() {
        match index {
            0 => builder.move_to(x, y),
            _ => builder.line_to(x, y),
        }
    }
    builder.close();
}

/// A rectangle (left, top, right, bottom) with rounded corners.
fn rounded([left, top, right, bottom]: [f32; 4], corner: f32) -> Option<Path> {
    let mut b = PathBuilder::new();
    b.move_to(left + corner, top);
    b.line_to(right - corner, top);
    b.quad_to(right, top, right, top + corner);
    b.line_to(right, bottom - corner);
    b.quad_to(right, bottom, right - corner, bottom);
    b.line_to(left + corner, bottom);
    b.quad_to(left, bottom, left, bottom - corner);
    b.line_to(left, top + corner);
    b.quad_to(left, top, left + corner, top);
    b.close();
    b.finish()
}

/// Scaled, then turned clockwise by `angle`, then moved to `centre`.
fn turned(angle: f32, [x, y]: [f32; 2], scale: f32) -> Transform {
    let [sin, cos] = sin_cos(angle).map(|value| value * scale);
    Transform::from_row(cos, sin, -sin, cos, x, y)
}

/// The colour of an outline: darker, or lighter where the fill is dark already.
fn edge_colour(rgb: [u8; 3]) -> [u8; 3] {
    let is_dark = rgb.iter().all(|&channel| channel < 70);
    rgb.map(|channel| match is_dark {
        true => channel + 70,
        false => (u16::from(channel) * 3 / 5) as u8,
    })
}

fn paint(rgb: [u8; 3], alpha: u8) -> Paint<'static> {
    Paint {
        shader: Shader::SolidColor(Color::from_rgba8(rgb[0], rgb[1], rgb[2], alpha)),
        anti_alias: true,
        ..Paint::default()
    }
}

fn shadow(canvas: &mut Pixmap, path: &Path, place: Transform) {
    let [x, y] = SHADOW_PX;
    let place = place.post_translate(x, y);
    canvas.fill_path(
        path,
        &paint([20, 20, 40], 56),
        FillRule::EvenOdd,
        place,
        None,
    );
}

fn fill(canvas: &mut Pixmap, path: &Path, place: Transform, rgb: [u8; 3]) {
    // A ring is two circles, whose hole the even-odd rule leaves open. Holes in letters are wound
    // in the opposite direction and stay open under both rules.
    canvas.fill_path(path, &paint(rgb, 255), FillRule::EvenOdd, place, None);
}

/// Draws an outline; `width` is in the path's own units.
fn outline(canvas: &mut Pixmap, path: &Path, place: Transform, rgb: [u8; 3], width: f32) {
    let stroke = Stroke {
        width,
        line_join: LineJoin::Round,
        ..Stroke::default()
    };
    canvas.stroke_path(path, &paint(rgb, 255), &stroke, place, None);
}

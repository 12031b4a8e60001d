import Foundation

let cropSize = 256

/// Removes the masks from all faces of a photo, in place; returns how many.
func unmask(_ photo: inout Pixels, _ networks: Networks) throws -> Int {
    // Steps 1 to 3: letterbox and detect, decode and suppress, align.
    let faces = try locate(photo, networks)
    // Step 4: crop.
    let matrices = faces.map { cropMatrix($0.points[0], $0.points[1]) }
    let crops = matrices.map { cropOf(photo, $0, cropSize) }
    // Step 5: run and paste.
    var unmasked = 0
    for (crop, matrix) in zip(crops, matrices) {
        let filled = try networks.unmask(crop)
        if !isMasked(filled.mask) { continue }
        paste(&photo, filled, matrix)
        unmasked += 1
    }
    return unmasked
}

/// Returns the similarity from photo to crop that moves the eyes to (98, 112) and (158, 112).
func cropMatrix(_ left: Point, _ right: Point) -> Affine {
    let (dx, dy) = (right.x - left.x, right.y - left.y)
    let squared = dx * dx + dy * dy
    precondition(squared >= 1, "the eyes \(left) and \(right) are less than one pixel apart")
    let (a, b) = (60 * dx / squared, -60 * dy / squared)
    return Affine(
        a: a, b: -b, c: 98 - a * left.x + b * left.y, d: b, e: a, f: 112 - b * left.x - a * left.y)
}

/// Cuts a crop out of a photo; a face larger than the crop is averaged, so that nothing aliases.
func cropOf(_ photo: Pixels, _ matrix: Affine, _ size: Int) -> Pixels {
    let factor = max(1, Int(matrix.span))
    // The part around the crop, where averaging reads one more pixel of the crop.
    var (x0, y0, x1, y1) = bounds(
        photo, matrix, -1, -1, Double(size), Double(size), 2 + 2 * matrix.span)
    (x0, y0) = (min(x0, photo.width - 1), min(y0, photo.height - 1))
    (x1, y1) = (max(x1, x0 + 1), max(y1, y0 + 1))
    let (columns, rows) = (max(1, (x1 - x0) / factor), max(1, (y1 - y0) / factor))
    // Whole blocks; what is left out lies beyond the crop or is less than one of its pixels.
    if min(x1 - x0, y1 - y0) >= factor { (x1, y1) = (x0 + columns * factor, y0 + rows * factor) }
    let part = photo.part(x0, y0, x1, y1)
    var toCrop = matrix.after(Affine.shift(x0, y0))
    if factor == 1 { return warp(part, toCrop.inverse(), size, size) }
    toCrop = toCrop.after(
        Affine.resized(Double(x1 - x0) / Double(columns), Double(y1 - y0) / Double(rows)))
    return warp(shrink(part, columns, rows), toCrop.inverse(), size, size)
}

/// A face is masked if 1 % of its crop is.
func isMasked(_ mask: Pixels) -> Bool {
    Double(mask.data.filter { $0 >= 128 }.count) >= 0.01 * Double(mask.data.count)
}

/// Blends an unmasked crop into the photo, in place, where the mask was.
func paste(_ photo: inout Pixels, _ filled: Filled, _ matrix: Affine) {
    var crop = filled.unmasked
    var opacity = opacityOf(filled.mask)
    let shown = opacity.data.indices.filter { opacity.data[$0] > 0 }
    guard let first = shown.first, let last = shown.last else { return }
    let columns = shown.map { $0 % cropSize }
    var toCrop = matrix
    var padding = 1.0
    let small = min(cropSize, max(1, Int(toEven(Double(cropSize) * matrix.span))))
    if small < cropSize {
        // A face smaller than the crop: averaged, so that nothing aliases.
        crop = shrink(crop, small, small)
        opacity = shrink(opacity, small, small)
        let factor = Double(small) / Double(cropSize)
        toCrop = Affine.resized(factor, factor).after(matrix)
        padding += ceil(1 / factor)
    }
    let (x0, y0, x1, y1) = bounds(
        photo, matrix,
        Double(columns.min()!) - padding, Double(first / cropSize) - padding,
        Double(columns.max()! + 1) + padding, Double(last / cropSize + 1) + padding, 1)
    for y in y0..<max(y0, y1) {
        for x in x0..<max(x0, x1) {
            let place = toCrop.apply(Point(x: Double(x), y: Double(y)))
            let alpha = sample(opacity, place)
            if alpha <= 0 { continue }
            let rgb = sampleCubic(crop, place)
            let i = 3 * (y * photo.width + x)
            for k in 0..<3 {
                let old = Float(photo.data[i + k])
                photo.data[i + k] = UInt8((old + (rgb[k] - old) * alpha).rounded(.toNearestOrEven))
            }
        }
    }
}

/// Returns the opacity of a crop: 1 on the mask, fading out around it and at the crop's edge.
func opacityOf(_ mask: Pixels) -> Plane {
    let size = mask.width
    var wide = Plane(width: size, height: size)
    // Widened by an ellipse of 9 x 9 pixels: half its width in each of its rows.
    let reach = [0, 3, 3, 4, 4, 4, 3, 3, 0]
    for y in 0..<size {
        for x in 0..<size where mask.data[y * size + x] >= 8 {
            for row in max(y - 4, 0)...min(y + 4, size - 1) {
                let half = reach[row - y + 4]
                for column in max(x - half, 0)...min(x + half, size - 1) {
                    wide.data[row * size + column] = 1
                }
            }
        }
    }
    var soft = blurRows(blurRows(wide))
    let fade = (0..<size).map { i in
        let share = min(Float(min(i, size - 1 - i)) / 10, 1)
        return share * share * (3 - 2 * share)
    }
    for y in 0..<size {
        for x in 0..<size { soft.data[y * size + x] *= min(fade[x], fade[y]) }
    }
    return soft
}

/// Blurs along rows with the weights 1 4 6 4 1 and a mirrored border; returns the transpose.
private func blurRows(_ plane: Plane) -> Plane {
    let size = plane.width
    var blurred = Plane(width: size, height: size)
    for y in 0..<size {
        for x in 0..<size {
            func at(_ column: Int) -> Float {
                let inside = column < 0 ? -column : column >= size ? 2 * size - 2 - column : column
                return plane.data[y * size + inside]
            }
            let outer = at(x - 2) + at(x + 2)
            blurred.data[x * size + y] = (outer + 4 * (at(x - 1) + at(x + 1)) + 6 * at(x)) / 16
        }
    }
    return blurred
}

/// Returns where a part of the crop lies in the photo: x0, y0, x1, y1, the last two exclusive.
private func bounds(
    _ photo: Pixels, _ matrix: Affine,
    _ left: Double, _ top: Double, _ right: Double, _ bottom: Double, _ padding: Double
) -> (Int, Int, Int, Int) {
    let toPhoto = matrix.inverse()
    let corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
        .map { toPhoto.apply(Point(x: $0.0, y: $0.1)) }
    let (xs, ys) = (corners.map(\.x), corners.map(\.y))
    return (
        clamp(Int(floor(xs.min()! - padding)), 0, photo.width),
        clamp(Int(floor(ys.min()! - padding)), 0, photo.height),
        clamp(Int(ceil(xs.max()! + padding)) + 1, 0, photo.width),
        clamp(Int(ceil(ys.max()! + padding)) + 1, 0, photo.height)
    )
}

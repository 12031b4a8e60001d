import Foundation

/// What runs the three networks.
protocol Networks {
    /// Takes 352 x 352 pixels.
    func detect(_ tile: Pixels) throws -> Maps

    /// Takes 112 x 112 pixels.
    func align(_ crop: Pixels) throws -> Aligned

    /// Takes 256 x 256 pixels.
    func unmask(_ crop: Pixels) throws -> Filled
}

/// Outputs of the detector: `heat` has a value for each cell of 8 x 8 pixels, `box` four.
struct Maps {
    let width: Int
    let height: Int
    var heat: [Float]
    var box: [Float]
}

/// Outputs of the aligner: x and y of five points in crop sides, and the score.
struct Aligned {
    let points: [Float]
    let score: Float
}

/// Outputs of the unmasker: RGB and one channel.
struct Filled {
    let unmasked: Pixels
    let mask: Pixels
}

struct Box {
    let x0, y0, x1, y1: Double

    var area: Double { (x1 - x0) * (y1 - y0) }
}

/// A face: its points are the left and right eye in the image, nose, left and right mouth corner.
struct Face {
    let box: Box
    let points: [Point]
    let score: Double
}

let tileSide = 352
let alignSize = 112
let maxOverlap = 0.4
private let edge = 48
private let cell = 8
private let stride32 = 32
private let border = 16
private let gray: UInt8 = 127
private let minHeat: Float = 0.36
private let minScore = 0.6
private let minFace = 30.0
private let maxFaces = 256
private let template = [(0.33, 0.34), (0.67, 0.34), (0.5, 0.56), (0.35, 0.694), (0.65, 0.694)]
    .map { Point(x: $0.0 * Double(alignSize) - 0.5, y: $0.1 * Double(alignSize) - 0.5) }

/// Finds the faces of a photo, masked or not; large and confident ones first.
func locate(_ photo: Pixels, _ networks: Networks) throws -> [Face] {
    var boxes: [Box] = []
    var heats: [Double] = []
    var halves = [photo]
    for scale in detectorScales(photo.width, photo.height) {
        let (canvas, toPhoto) = letterbox(&halves, scale)
        let found = decode(try detectTiled(canvas, networks))
        for (box, heat) in zip(found.boxes.map({ move($0, toPhoto) }), found.heats)
        where sqrt(box.area) >= minFace {
            boxes.append(box)
            heats.append(heat)
        }
    }
    let faces = try nms(boxes, heats, maxOverlap).prefix(maxFaces).map { i in
        let box = boxes[i]
        let placed = Box(x0: round8(box.x0), y0: round8(box.y0), x1: round8(box.x1), y1: round8(box.y1))
        let first = try align(photo, boxMatrix(placed), networks)
        let (points, score) = try align(photo, pointsMatrix(first.points), networks)
        return Face(box: box, points: points, score: sqrt(Double(score) * heats[i]))
    }.filter { $0.score >= minScore }
    // Two boxes may lead to the same eyes.
    let around = faces.map { face in
        let (left, right) = (face.points[0], face.points[1])
        let side = hypot(right.x - left.x, right.y - left.y)
        let (x, y) = ((left.x + right.x) / 2, (left.y + right.y) / 2)
        return Box(x0: x - side, y0: y - side, x1: x + side, y1: y + side)
    }
    func rank(_ face: Face) -> Double { face.score * sqrt(face.box.area) }
    return nms(around, faces.map(\.score), maxOverlap).map { faces[$0] }.sorted { rank($0) > rank($1) }
}

/// Returns the scales at which the detector sees a photo, smallest first.
func detectorScales(_ width: Int, _ height: Int) -> [Double] {
    let longest = Double(max(width, height))
    let coarse = min(1.0, 288 / longest)
    let fine = min(0.4, 1664 / longest)
    if coarse >= fine { return [coarse] }
    if Double(min(width, height)) * fine <= 288 { return [fine] }
    let steps = Int(ceil(log(fine / coarse) / log(6.0)))
    return (0...steps).map { coarse * pow(fine / coarse, Double($0) / Double(steps)) }
}

/// Downsamples a photo and pads it with gray, to sides that are multiples of 32.
///
/// - Parameter halves: The photo, then its halves as computed for other scales; more are appended.
/// - Returns: The canvas, and the transform from its pixels to the photo's.
func letterbox(_ halves: inout [Pixels], _ scale: Double) -> (canvas: Pixels, toPhoto: Affine) {
    let photo = halves[0]
    let width = max(1, Int(toEven(Double(photo.width) * scale)))
    let height = max(1, Int(toEven(Double(photo.height) * scale)))
    // Halved first, which avoids aliasing.
    var level = 0
    var rest = scale
    while rest <= 0.5 && min(halves[level].width, halves[level].height) > 1 {
        let image = halves[level]
        level += 1
        if level == halves.count { halves.append(shrink(image, image.width / 2, image.height / 2)) }
        rest *= 2
    }
    let image = halves[level]
    let small = image.width == width && image.height == height ? image : resize(image, width, height)
    func padded(_ side: Int) -> Int { (side + 2 * border + stride32 - 1) / stride32 * stride32 }
    var canvas = Pixels(width: padded(width), height: padded(height), filledWith: gray)
    canvas.put(small, x: border, y: border)
    let grow = Affine.resized(
        Double(photo.width) / Double(width), Double(photo.height) / Double(height))
    return (canvas, grow.after(Affine.shift(-border, -border)))
}

/// Runs the detector, whose input has a fixed size, on overlapping tiles of a canvas.
func detectTiled(_ canvas: Pixels, _ networks: Networks) throws -> Maps {
    let (columns, rows) = (canvas.width / cell, canvas.height / cell)
    var maps = Maps(
        width: columns, height: rows,
        heat: [Float](repeating: 0, count: columns * rows),
        box: [Float](repeating: 0, count: 4 * columns * rows))
    for top in tileStarts(canvas.height) {
        for left in tileStarts(canvas.width) {
            var tile = Pixels(width: tileSide, height: tileSide, filledWith: gray)
            let (right, bottom) = (min(left + tileSide, canvas.width), min(top + tileSide, canvas.height))
            tile.put(canvas.part(left, top, right, bottom), x: 0, y: 0)
            let found = try networks.detect(tile)
            // Values near an inner edge are the neighbor's, which sees more around them.
            for row in innerCells(top, canvas.height) {
                for column in innerCells(left, canvas.width) {
                    let from = (row - top / cell) * (tileSide / cell) + column - left / cell
                    let to = row * columns + column
                    maps.heat[to] = found.heat[from]
                    for k in 0..<4 { maps.box[4 * to + k] = found.box[4 * from + k] }
                }
            }
        }
    }
    return maps
}

private func tileStarts(_ length: Int) -> [Int] {
    if length <= tileSide { return [0] }
    let count = Int(ceil(Double(length - 2 * edge) / Double(tileSide - 2 * edge)))
    return (0..<count).map {
        Int(toEven(Double($0 * (length - tileSide)) / Double(count - 1) / Double(stride32))) * stride32
    }
}

private func innerCells(_ start: Int, _ length: Int) -> Range<Int> {
    let low = start == 0 ? 0 : start + edge
    let high = start + tileSide >= length ? length : start + tileSide - edge
    return low / cell..<high / cell
}

/// Returns a box for each local maximum of the heat, in pixels of the canvas, and its heat.
func decode(_ maps: Maps) -> (boxes: [Box], heats: [Double]) {
    var boxes: [Box] = []
    var heats: [Double] = []
    for row in 0..<maps.height {
        for column in 0..<maps.width {
            let i = row * maps.width + column
            if maps.heat[i] < minHeat || !isPeak(maps, row, column) { continue }
            let values = maps.box[4 * i..<4 * i + 4].map(Double.init)
            let width = Double(cell) * exp(clamp(values[2], -8, 8))
            let height = Double(cell) * exp(clamp(values[3], -8, 8))
            let x = (Double(column) + 0.5) * Double(cell) - 0.5 + values[0] * width
            let y = (Double(row) + 0.5) * Double(cell) - 0.5 + values[1] * height
            boxes.append(Box(x0: x - width / 2, y0: y - height / 2, x1: x + width / 2, y1: y + height / 2))
            heats.append(Double(maps.heat[i]))
        }
    }
    return (boxes, heats)
}

private func isPeak(_ maps: Maps, _ row: Int, _ column: Int) -> Bool {
    let heat = maps.heat[row * maps.width + column]
    for y in max(row - 1, 0)...min(row + 1, maps.height - 1) {
        for x in max(column - 1, 0)...min(column + 1, maps.width - 1)
        where maps.heat[y * maps.width + x] > heat {
            return false
        }
    }
    return true
}

/// Of boxes that overlap, keeps the one with the highest score; returns their indices, best first.
func nms(_ boxes: [Box], _ scores: [Double], _ overlap: Double) -> [Int] {
    var kept: [Int] = []
    for i in scores.indices.sorted(by: { (-scores[$0], $0) < (-scores[$1], $1) })
    where kept.allSatisfy({ overlapOf(boxes[$0], boxes[i]) <= overlap }) {
        kept.append(i)
    }
    return kept
}

/// Intersection over union.
private func overlapOf(_ one: Box, _ other: Box) -> Double {
    let width = max(0, min(one.x1, other.x1) - max(one.x0, other.x0))
    let height = max(0, min(one.y1, other.y1) - max(one.y0, other.y0))
    return width * height / max(one.area + other.area - width * height, 1e-9)
}

/// Runs the aligner on a crop; returns the points in the photo, to 1/128 pixel, and the score.
func align(_ photo: Pixels, _ matrix: Affine, _ networks: Networks) throws -> (points: [Point], score: Float) {
    let found = try networks.align(cropOf(photo, matrix, alignSize))
    return (photoPoints(found.points, matrix), found.score)
}

/// Returns the aligner's points in the photo, to 1/128 pixel.
func photoPoints(_ points: [Float], _ matrix: Affine) -> [Point] {
    let toPhoto = matrix.inverse()
    return (0..<5).map { i in
        let x = Double(points[2 * i]) * Double(alignSize) - 0.5
        let y = Double(points[2 * i + 1]) * Double(alignSize) - 0.5
        let place = toPhoto.apply(Point(x: x, y: y))
        return Point(x: toEven(place.x * 128) / 128, y: toEven(place.y * 128) / 128)
    }
}

/// Returns the transform from photo to aligner crop for a box: its roll is unknown.
func boxMatrix(_ box: Box) -> Affine {
    let side = 1.12 * max(box.x1 - box.x0, box.y1 - box.y0)
    let scale = Double(alignSize) / side
    let left = (box.x0 + box.x1) / 2 - side / 2
    let top = (box.y0 + box.y1) / 2 - side / 2
    return Affine(a: scale, b: 0, c: -scale * left - 0.5, d: 0, e: scale, f: -scale * top - 0.5)
}

/// Returns the similarity from photo to aligner crop that brings points nearest to the template.
func pointsMatrix(_ points: [Point]) -> Affine {
    let placed = points.map { Point(x: round8($0.x), y: round8($0.y)) }
    let from = mean(placed)
    let to = mean(template)
    var (real, imaginary, variance) = (0.0, 0.0, 0.0)
    for (point, goal) in zip(placed, template) {
        let (x, y) = (point.x - from.x, point.y - from.y)
        let (goalX, goalY) = (goal.x - to.x, goal.y - to.y)
        real += x * goalX + y * goalY
        imaginary += x * goalY - y * goalX
        variance += x * x + y * y
    }
    var a = real / max(variance, 1e-9)
    var b = imaginary / max(variance, 1e-9)
    // Points without a size or direction: any crop will do.
    if !(1e-3...1e3).contains(hypot(a, b)) { (a, b) = (1, 0) }
    return Affine(
        a: a, b: -b, c: to.x - (a * from.x - b * from.y),
        d: b, e: a, f: to.y - (b * from.x + a * from.y))
}

private func mean(_ points: [Point]) -> Point {
    let count = Double(points.count)
    return Point(x: points.map(\.x).reduce(0, +) / count, y: points.map(\.y).reduce(0, +) / count)
}

private func move(_ box: Box, _ matrix: Affine) -> Box {
    let low = matrix.apply(Point(x: box.x0, y: box.y0))
    let high = matrix.apply(Point(x: box.x1, y: box.y1))
    return Box(x0: low.x, y0: low.y, x1: high.x, y1: high.y)
}

/// What places the aligner's crops is rounded to 1/8 pixel: runtimes then crop alike.
private func round8(_ value: Double) -> Double { toEven(value * 8) / 8 }

import Foundation

/// An image of bytes, row by row: RGB if it has three channels.
struct Pixels {
    let width: Int
    let height: Int
    let channels: Int
    var data: [UInt8]

    init(width: Int, height: Int, channels: Int = 3, data: [UInt8]) {
        self.width = width
        self.height = height
        self.channels = channels
        self.data = data
    }

    init(width: Int, height: Int, channels: Int = 3, filledWith value: UInt8 = 0) {
        self.init(
            width: width, height: height, channels: channels,
            data: [UInt8](repeating: value, count: width * height * channels))
    }

    /// Copies a part; x1 and y1 are exclusive.
    func part(_ x0: Int, _ y0: Int, _ x1: Int, _ y1: Int) -> Pixels {
        var cut: [UInt8] = []
        cut.reserveCapacity((x1 - x0) * (y1 - y0) * channels)
        for y in y0..<y1 {
            cut += data[(y * width + x0) * channels..<(y * width + x1) * channels]
        }
        return Pixels(width: x1 - x0, height: y1 - y0, channels: channels, data: cut)
    }

    /// Copies an image into this one, at a place.
    mutating func put(_ image: Pixels, x: Int, y: Int) {
        let length = image.width * channels
        for row in 0..<image.height {
            let start = ((y + row) * width + x) * channels
            data.replaceSubrange(start..<start + length, with: image.data[row * length..<(row + 1) * length])
        }
    }
}

/// One channel of floats.
struct Plane {
    let width: Int
    let height: Int
    var data: [Float]

    init(width: Int, height: Int) {
        self.width = width
        self.height = height
        data = [Float](repeating: 0, count: width * height)
    }
}

/// A place in pixels: x to the right, y down, whole numbers at pixel centers.
struct Point {
    var x: Double
    var y: Double
}

/// The affine transform x' = ax + by + c, y' = dx + ey + f.
struct Affine {
    let a, b, c, d, e, f: Double

    /// How many pixels of the source one pixel of the target spans, if this is a similarity.
    var span: Double { 1 / hypot(a, d) }

    func apply(_ p: Point) -> Point {
        Point(x: a * p.x + b * p.y + c, y: d * p.x + e * p.y + f)
    }

    /// Applies another transform first.
    func after(_ o: Affine) -> Affine {
        Affine(
            a: a * o.a + b * o.d, b: a * o.b + b * o.e, c: a * o.c + b * o.f + c,
            d: d * o.a + e * o.d, e: d * o.b + e * o.e, f: d * o.c + e * o.f + f)
    }

    func inverse() -> Affine {
        let scale = 1 / (a * e - b * d)
        let (a1, b1, d1, e1) = (e * scale, -b * scale, -d * scale, a * scale)
        return Affine(a: a1, b: b1, c: -a1 * c - b1 * f, d: d1, e: e1, f: -d1 * c - e1 * f)
    }

    /// From the pixels of a resized image to those of the original: pixel edges stay edges.
    static func resized(_ x: Double, _ y: Double) -> Affine {
        Affine(a: x, b: 0, c: 0.5 * x - 0.5, d: 0, e: y, f: 0.5 * y - 0.5)
    }

    static func shift(_ x: Int, _ y: Int) -> Affine {
        Affine(a: 1, b: 0, c: Double(x), d: 0, e: 1, f: Double(y))
    }
}

func clamp<T: Comparable>(_ value: T, _ low: T, _ high: T) -> T {
    min(max(value, low), high)
}

func toEven(_ value: Double) -> Double { value.rounded(.toNearestOrEven) }

private func byte(_ value: Float) -> UInt8 { UInt8(clamp(value, 0, 255)) }

/// Makes an image smaller: each pixel is the mean of what it covers.
func shrink(_ image: Pixels, _ width: Int, _ height: Int) -> Pixels {
    var small = Pixels(width: width, height: height, channels: image.channels)
    // As OpenCV: halves round up if the image is halved, else to the even neighbor.
    let halved = image.width == 2 * width && image.height == 2 * height
    image.data.withUnsafeBufferPointer { values in
        averages(
            image.width, image.height, image.channels, width, height,
            get: { Float(values[$0]) }, set: { small.data[$0] = byte(halved ? floor($1 + 0.5) : $1.rounded(.toNearestOrEven)) })
    }
    return small
}

func shrink(_ plane: Plane, _ width: Int, _ height: Int) -> Plane {
    var small = Plane(width: width, height: height)
    averages(
        plane.width, plane.height, 1, width, height,
        get: { plane.data[$0] }, set: { small.data[$0] = $1 })
    return small
}

@inline(__always)
private func averages(
    _ width: Int, _ height: Int, _ channels: Int, _ columns: Int, _ rows: Int,
    get: (Int) -> Float, set: (Int, Float) -> Void
) {
    let across = Double(width) / Double(columns)
    let down = Double(height) / Double(rows)
    var sums = [Double](repeating: 0, count: channels)
    var i = 0
    for row in 0..<rows {
        let top = Double(row) * down
        let bottom = min(top + down, Double(height))
        for column in 0..<columns {
            let left = Double(column) * across
            let right = min(left + across, Double(width))
            for k in 0..<channels { sums[k] = 0 }
            for y in Int(top)..<Int(ceil(bottom - 1e-6)) {
                let tall = min(Double(y + 1), bottom) - max(Double(y), top)
                for x in Int(left)..<Int(ceil(right - 1e-6)) {
                    let share = tall * (min(Double(x + 1), right) - max(Double(x), left))
                    let place = (y * width + x) * channels
                    for k in 0..<channels { sums[k] += share * Double(get(place + k)) }
                }
            }
            let area = (bottom - top) * (right - left)
            for k in 0..<channels {
                set(i, Float(sums[k] / area))
                i += 1
            }
        }
    }
}

/// Resizes by linear interpolation, with OpenCV's weights of 11 bits.
func resize(_ image: Pixels, _ width: Int, _ height: Int) -> Pixels {
    var resized = Pixels(width: width, height: height, channels: image.channels)
    let columns = (0..<width).map { Neighbors(image.width, width, $0, columns: true) }
    var i = 0
    for y in 0..<height {
        let row = Neighbors(image.height, height, y, columns: false)
        for column in columns {
            for k in 0..<image.channels {
                func at(_ line: Int) -> Int {
                    func pixel(_ x: Int) -> Int { Int(image.data[(line * image.width + x) * image.channels + k]) }
                    return (pixel(column.low) * column.near + pixel(column.high) * column.far) >> 4
                }
                let sum = ((row.near * at(row.low)) >> 16) + ((row.far * at(row.high)) >> 16)
                resized.data[i] = UInt8((sum + 2) >> 2)
                i += 1
            }
        }
    }
    return resized
}

/// The two neighbors of a pixel of a resized side, and their weights.
private struct Neighbors {
    let low, high, near, far: Int

    init(_ size: Int, _ count: Int, _ index: Int, columns: Bool) {
        let place = Float((Double(index) + 0.5) * Double(size) / Double(count) - 0.5)
        let left = Int(floor(place))
        let share = columns && (left < 0 || left >= size - 1) ? 0 : place - Float(left)
        low = clamp(left, 0, size - 1)
        high = clamp(left + 1, 0, size - 1)
        near = Int(((1 - share) * 2048).rounded(.toNearestOrEven))
        far = Int((share * 2048).rounded(.toNearestOrEven))
    }
}

/// Warps an image by linear interpolation; outside the image its border is repeated.
///
/// The floats and their roundings are OpenCV's: int8 networks differ by 10 dB if one pixel in ten
/// thousand does.
///
/// - Parameter toImage: From the result's pixels to the image's.
func warp(_ image: Pixels, _ toImage: Affine, _ width: Int, _ height: Int) -> Pixels {
    var warped = Pixels(width: width, height: height, channels: image.channels)
    let channels = image.channels
    let (a, b, c) = (Float(toImage.a), Float(toImage.b), Float(toImage.c))
    let (d, e, f) = (Float(toImage.d), Float(toImage.e), Float(toImage.f))
    var i = 0
    for y in 0..<height {
        let (startX, startY) = (b * Float(y) + c, e * Float(y) + f)
        for x in 0..<width {
            let placeX = startX.addingProduct(a, Float(x))
            let placeY = startY.addingProduct(d, Float(x))
            let (left, top) = (Int(floor(placeX)), Int(floor(placeY)))
            let (u, v) = (placeX - Float(left), placeY - Float(top))
            let x0 = clamp(left, 0, image.width - 1)
            let x1 = clamp(left + 1, 0, image.width - 1)
            let y0 = clamp(top, 0, image.height - 1) * image.width
            let y1 = clamp(top + 1, 0, image.height - 1) * image.width
            for k in 0..<channels {
                func at(_ pixel: Int) -> Float { Float(image.data[pixel * channels + k]) }
                let upper = at(y0 + x0).addingProduct(u, at(y0 + x1) - at(y0 + x0))
                let lower = at(y1 + x0).addingProduct(u, at(y1 + x1) - at(y1 + x0))
                warped.data[i] = byte(upper.addingProduct(v, lower - upper).rounded(.toNearestOrEven))
                i += 1
            }
        }
    }
    return warped
}

/// Returns a plane's value at a place by linear interpolation; outside it is 0.
func sample(_ plane: Plane, _ place: Point) -> Float {
    let left = Int(floor(place.x))
    let top = Int(floor(place.y))
    let u = Float(place.x - Double(left))
    let v = Float(place.y - Double(top))
    func at(_ x: Int, _ y: Int) -> Float {
        let inside = x >= 0 && x < plane.width && y >= 0 && y < plane.height
        return inside ? plane.data[y * plane.width + x] : 0
    }
    let upper = at(left, top) + u * (at(left + 1, top) - at(left, top))
    let lower = at(left, top + 1) + u * (at(left + 1, top + 1) - at(left, top + 1))
    return upper + v * (lower - upper)
}

/// Reads an image's RGB at a place by cubic interpolation; outside its border is repeated.
func sampleCubic(_ image: Pixels, _ place: Point) -> SIMD3<Float> {
    let left = Int(floor(place.x))
    let top = Int(floor(place.y))
    let across = cubicWeights(place.x - Double(left))
    let down = cubicWeights(place.y - Double(top))
    var rgb = SIMD3<Float>.zero
    for row in 0..<4 {
        let y = clamp(top + row - 1, 0, image.height - 1) * image.width
        for column in 0..<4 {
            let i = 3 * (y + clamp(left + column - 1, 0, image.width - 1))
            let color = SIMD3(Float(image.data[i]), Float(image.data[i + 1]), Float(image.data[i + 2]))
            rgb += Float(down[row] * across[column]) * color
        }
    }
    return rgb.rounded(.toNearestOrEven).clamped(lowerBound: .zero, upperBound: SIMD3(repeating: 255))
}

/// Weights of four neighbors, the second of which is t to the left; the slope is -0.75.
private func cubicWeights(_ t: Double) -> SIMD4<Double> {
    func outer(_ d: Double) -> Double { ((-0.75 * d + 3.75) * d - 6.0) * d + 3.0 }
    func inner(_ d: Double) -> Double { (1.25 * d - 2.25) * d * d + 1.0 }
    var weights = SIMD4(outer(t + 1), inner(t), inner(1 - t), 0)
    weights[3] = 1 - weights.sum()
    return weights
}

// Compares the Swift files of examples/ios with vectors of `unmask export vectors`.
// Prints a line for each output: name, how many values, largest and mean difference.

import Foundation

struct Difference {
    var count = 0
    var largest = 0.0
    var sum = 0.0
}

@main
struct CheckVectors {
    let bytes: [UInt8]
    var names: [String] = []
    var found: [String: Difference] = [:]

    static func main() throws {
        let folder = URL(fileURLWithPath: CommandLine.arguments[1])
        let bytes = try Data(contentsOf: folder.appendingPathComponent("vectors.bin"))
        let text = try Data(contentsOf: folder.appendingPathComponent("vectors.json"))
        let json = try JSONSerialization.jsonObject(with: text) as! [String: Any]
        var checks = CheckVectors(bytes: [UInt8](bytes))
        for vector in json["vectors"] as! [[String: Any]] { checks.check(vector) }
        for name in checks.names {
            let it = checks.found[name]!
            print(name, it.count, it.largest, it.sum / Double(it.count))
        }
    }

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func check(_ vector: [String: Any]) {
        var photo = image(vector["photo"])
        var halves = [photo]
        for step in vector["letterbox"] as! [[String: Any]] {
            let (canvas, toPhoto) = letterbox(&halves, numbers(step["scale"])[0])
            compare("canvas", pixels(canvas), pixels(image(step["canvas"])))
            compare("factors", [toPhoto.a, toPhoto.e], numbers(step["factors"]))
        }
        let shape = numbers((vector["heat"] as! [String: Any])["shape"])
        let (boxes, heats) = decode(
            Maps(
                width: Int(shape[1]), height: Int(shape[0]),
                heat: floats(vector["heat"]), box: floats(vector["box"])))
        compare("boxes", boxes.flatMap { [$0.x0, $0.y0, $0.x1, $0.y1] }, numbers(vector["boxes"]))
        compare("heats", heats, numbers(vector["heats"]))
        compare("kept", nms(boxes, heats, maxOverlap).map(Double.init), numbers(vector["kept"]))

        let corners = numbers(vector["face_box"])
        let first = boxMatrix(Box(x0: corners[0], y0: corners[1], x1: corners[2], y1: corners[3]))
        compare("box_matrix", values(first), numbers(vector["box_matrix"]))
        let located = photoPoints(floats(vector["aligner_points"]), first)
        compare("points", located.flatMap { [$0.x, $0.y] }, numbers(vector["points"]))
        let second = pointsMatrix(points(vector["placing"]))
        compare("points_matrix", values(second), numbers(vector["points_matrix"]))
        let small = cropOf(photo, second, alignSize)
        compare("aligner_crop", pixels(small), pixels(image(vector["aligner_crop"])))

        let eyes = points(vector["eyes"])
        let matrix = cropMatrix(eyes[0], eyes[1])
        compare("crop_matrix", values(matrix), numbers(vector["crop_matrix"]))
        compare("crop", pixels(cropOf(photo, matrix, cropSize)), pixels(image(vector["crop"])))
        let filled = Filled(unmasked: image(vector["unmasked"]), mask: image(vector["mask"]))
        paste(&photo, filled, matrix)
        compare("pasted", pixels(photo), pixels(image(vector["pasted"])))
    }

    mutating func compare(_ name: String, _ values: [Double], _ expected: [Double]) {
        if found[name] == nil { names.append(name) }
        var entry = found[name] ?? Difference()
        if values.count != expected.count { entry.largest = .infinity }
        for (value, wanted) in zip(values, expected) {
            let difference = abs(value - wanted)
            entry.count += 1
            entry.sum += difference
            if !(difference <= entry.largest) { entry.largest = difference }
        }
        found[name] = entry
    }

    func values(_ m: Affine) -> [Double] { [m.a, m.b, m.c, m.d, m.e, m.f] }

    func pixels(_ image: Pixels) -> [Double] { image.data.map(Double.init) }

    func image(_ value: Any?) -> Pixels {
        let (shape, offset) = place(value)
        let channels = shape.count > 2 ? shape[2] : 1
        let data = [UInt8](bytes[offset..<offset + shape[0] * shape[1] * channels])
        return Pixels(width: shape[1], height: shape[0], channels: channels, data: data)
    }

    func floats(_ value: Any?) -> [Float] {
        let (shape, offset) = place(value)
        return bytes.withUnsafeBytes { raw in
            (0..<shape.reduce(1, *)).map { raw.load(fromByteOffset: offset + 4 * $0, as: Float.self) }
        }
    }

    func place(_ value: Any?) -> (shape: [Int], offset: Int) {
        let array = value as! [String: Any]
        return (numbers(array["shape"]).map { Int($0) }, Int(numbers(array["offset"])[0]))
    }

    func points(_ value: Any?) -> [Point] {
        let all = numbers(value)
        return stride(from: 0, to: all.count, by: 2).map { Point(x: all[$0], y: all[$0 + 1]) }
    }

    /// Returns all numbers of nested arrays.
    func numbers(_ value: Any?) -> [Double] {
        if let list = value as? [Any] { return list.flatMap { numbers($0) } }
        return [(value as! NSNumber).doubleValue]
    }
}

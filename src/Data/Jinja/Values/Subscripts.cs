using System.Numerics;

namespace Peft.Orleans.Data.Jinja.Values;

/// <summary><c>value[index]</c> and <c>value[from:to:step]</c>.</summary>
internal static class Subscripts
{
    /// <summary>The element at an index, a key's value or a slice; false: there is none, or the value has no such elements.</summary>
    public static bool TryGet(object? value, object? index, Meter meter, out object? element)
    {
        element = null;
        switch (value)
        {
            case DictValue dictionary:
                return index is not (ListValue or DictValue or SliceValue) && dictionary.TryGet(index, meter, out element);
            case string or Markup:
                return OfText(Types.Text(value)!, index, meter, out element);
            case SequenceValue sequence:
                if (index is SliceValue slice)
                {
                    element = sequence.With(Pick(sequence.Items, slice, meter));
                    return true;
                }

                if (Place(index, sequence.Items.Length) is not { } place) return false;
                element = sequence.Items[place];
                return true;
            case RangeValue range:
                if (index is SliceValue bounds)
                {
                    var (start, step, count) = Bounds(bounds, (int)range.Length);
                    var first = range.Start + start * range.Step;
                    element = new RangeValue(first, first + (long)count * step * range.Step, step * range.Step);
                    return true;
                }

                if (Place(index, (int)range.Length) is not { } at) return false;
                element = range.Start + at * range.Step;
                return true;
            case Undefined undefined:
                throw undefined.Error();
            default:
                return false;
        }
    }

    private static bool OfText(string text, object? index, Meter meter, out object? element)
    {
        element = null;
        meter.Read(text.Length);
        var simple = PythonText.IsSimple(text);
        if (index is SliceValue slice)
        {
            element = simple ? SliceOf(text, slice) : string.Concat(Pick(PythonText.CodePoints(text), slice, meter));
            return true;
        }

        var points = simple ? null : PythonText.CodePoints(text);
        if (Place(index, points?.Length ?? text.Length) is not { } place) return false;
        element = points?[place] ?? text[place].ToString();
        return true;
    }

    private static string SliceOf(string text, SliceValue slice)
    {
        var (start, step, count) = Bounds(slice, text.Length);
        if (step == 1) return text.Substring(start, count);
        return string.Create(count, (text, start, step), static (made, from) =>
        {
            for (var i = 0; i < made.Length; i++) made[i] = from.text[from.start + i * from.step];
        });
    }

    private static T[] Pick<T>(T[] items, SliceValue slice, Meter meter)
    {
        var (start, step, count) = Bounds(slice, items.Length);
        meter.Step(count);
        if (step == 1) return items[start..(start + count)];
        var picked = new T[count];
        for (var i = 0; i < count; i++) picked[i] = items[start + i * step];
        return picked;
    }

    private static int? Place(object? index, int length)
    {
        if (!Types.IsWhole(index, out var number)) return null;
        if (number.Sign < 0) number += length;
        return number.Sign >= 0 && number < length ? (int)number : null;
    }

    // As Python's slice.indices.
    private static (int Start, int Step, int Count) Bounds(SliceValue slice, int length)
    {
        var step = slice.Step is null ? 1 : Types.Count(slice.Step, "a slice");
        if (step == 0) throw JinjaException.Impossible("slice step cannot be zero");
        step = Math.Max(step, -int.MaxValue);
        var (low, high) = step > 0 ? (0, length) : (-1, length - 1);
        var start = Bound(slice.Start, step > 0 ? low : high);
        var stop = Bound(slice.Stop, step > 0 ? high : low);
        var distance = step > 0 ? (long)stop - start : (long)start - stop;
        return (start, step, distance <= 0 ? 0 : (int)((distance - 1) / Math.Abs((long)step) + 1)) is var bounds && bounds.Item3 == 0
            ? (0, 1, 0)
            : bounds;

        int Bound(object? value, int absent)
        {
            if (value is null) return absent;
            if (!Types.IsWhole(value, out var number))
                throw (value as Undefined)?.Error()
                    ?? JinjaException.Impossible("slice indices must be integers or None or have an __index__ method");
            if (number.Sign < 0) number += length;
            return (int)BigInteger.Clamp(number, low, high);
        }
    }
}

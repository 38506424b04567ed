using Peft.Orleans.Data.Jinja.Builtins;
using Peft.Orleans.Data.Jinja.Nodes;
using Peft.Orleans.Data.Jinja.Values;

namespace Peft.Orleans.Data.Jinja.Syntax;

/// <summary>Operands: constants, names, brackets, and what follows them: attributes, subscripts, calls, filters, tests.</summary>
internal sealed class OperandParser(TokenCursor tokens, TemplateNames names, ExpressionParser expressions)
{
    private readonly ArgumentParser arguments = new(tokens, expressions);

    /// <summary>An operand with its sign, filters and tests.</summary>
    internal Expression Read() => FiltersAndTests(Signed());

    /// <summary>A filter of a value; of the text that a block makes where that is null.</summary>
    internal Filtered Filter(Expression? value, bool begun = false)
    {
        if (!begun) tokens.Expect("|");
        var line = tokens.Current.Line;
        var name = DottedName();
        if (!Filters.Table.TryGetValue(name, out var filter)) names.NotKnown("filter", name, line);
        var given = tokens.Current.IsSign("(") ? arguments.Read() : CallArguments.None;
        names.Fields.Filter(name, given);
        return new Filtered(value, name, filter, given);
    }

    // Filters come after the sign: -1|abs is (-1)|abs.
    private Expression Signed() => Postfix(
        tokens.Current is { Kind: TokenKind.Sign, Text: "-" or "+" }
            ? new Signed(tokens.Next().Text == "-", tokens.Nested(Signed))
            : Primary());

    private Expression Primary()
    {
        var token = tokens.Next();
        switch (token)
        {
            case { Kind: TokenKind.Name, Text: "true" or "True" }: return new Constant(Types.True);
            case { Kind: TokenKind.Name, Text: "false" or "False" }: return new Constant(Types.False);
            case { Kind: TokenKind.Name, Text: "none" or "None" }: return new Constant(null);
            case { Kind: TokenKind.Name }: return names.Load(token.Text);
            case { Kind: TokenKind.Text }:
                var text = token.Text;
                while (tokens.Current.Kind == TokenKind.Text) text += tokens.Next().Text;
                return new Constant(text);
            case { Kind: TokenKind.Whole or TokenKind.Real }: return new Constant(Numbers.Value(token));
            case { Kind: TokenKind.Sign, Text: "(" }:
                var inner = tokens.Nested(() => expressions.Tuple(explicitly: true));
                tokens.Expect(")");
                return inner;
            case { Kind: TokenKind.Sign, Text: "[" }:
                return new Elements([.. Several("]", () => expressions.Read())], tuple: false);
            case { Kind: TokenKind.Sign, Text: "{" }:
                return new Entries([.. Several("}", Entry)]);
            default: throw TokenCursor.Wrong($"unexpected '{token.Described}'", token.Line);
        }

        (Expression, Expression) Entry()
        {
            var key = expressions.Read();
            tokens.Expect(":");
            return (key, expressions.Read());
        }
    }

    private List<T> Several<T>(string close, Func<T> read)
    {
        var items = new List<T>();
        while (!tokens.Current.IsSign(close))
        {
            if (items.Count > 0) tokens.Expect(",");
            if (tokens.Current.IsSign(close)) break;
            items.Add(read());
        }

        tokens.Expect(close);
        return items;
    }

    private Expression Postfix(Expression value)
    {
        while (true)
        {
            if (tokens.Skip(".")) value = Attribute(value);
            else if (tokens.Skip("[")) value = Subscript(value);
            else if (tokens.Current.IsSign("(")) value = Called(value);
            else return value;
        }
    }

    private Expression Attribute(Expression value)
    {
        var name = tokens.Next();
        if (name.Kind == TokenKind.Whole) return new GetItem(value, new Constant(Numbers.Value(name)));
        if (name.Kind != TokenKind.Name) throw TokenCursor.Wrong("expected name or number", name.Line);
        names.Fields.Attribute(name.Text);
        return new GetAttribute(value, name.Text);
    }

    private Call Called(Expression value)
    {
        var line = tokens.Current.Line;
        var given = arguments.Read();
        names.Fields.Call(value, given);
        return new Call(value, given, line);
    }

    private Expression Subscript(Expression value)
    {
        var first = tokens.Current.IsSign(":") ? null : expressions.Read();
        if (tokens.Skip(":"))
        {
            var second = Bound();
            var third = tokens.Skip(":") ? Bound() : null;
            tokens.Expect("]");
            return new GetSlice(value, first, second, third);
        }

        if (tokens.Skip(","))
            return new GetItem(value, new Elements([first!, .. Several("]", () => expressions.Read())], tuple: true));
        tokens.Expect("]");
        names.Fields.Subscript(first!);
        return new GetItem(value, first!);

        Expression? Bound() => tokens.Current is { Kind: TokenKind.Sign, Text: ":" or "]" or "," } ? null : expressions.Read();
    }

    private Expression FiltersAndTests(Expression value)
    {
        while (true)
        {
            if (tokens.Current.IsSign("|")) value = Filter(value);
            else if (tokens.SkipName("is")) value = Test(value);
            else if (tokens.Current.IsSign("(")) value = Called(value);
            else return value;
        }
    }

    private Expression Test(Expression value)
    {
        var negated = tokens.SkipName("not");
        var line = tokens.Current.Line;
        var name = DottedName();
        if (!Tests.Table.TryGetValue(name, out var test)) names.NotKnown("test", name, line);
        var given = CallArguments.None;
        if (tokens.Current.IsSign("(")) given = arguments.Read();
        else if (tokens.Current is { Kind: TokenKind.Text or TokenKind.Whole or TokenKind.Real }
            or { Kind: TokenKind.Sign, Text: "[" or "{" }
            or { Kind: TokenKind.Name, Text: not ("else" or "or" or "and") })
        {
            if (tokens.Current.IsName("is")) throw tokens.Wrong("You cannot chain multiple tests with is");
            given = new CallArguments([tokens.Nested(() => Postfix(Primary()))], [], null, null);
        }

        Expression tested = new Tested(value, name, test, given);
        return negated ? new Not(tested) : tested;
    }

    private string DottedName()
    {
        var name = tokens.Expect(TokenKind.Name, "name").Text;
        while (tokens.Skip(".")) name += "." + tokens.Expect(TokenKind.Name, "name").Text;
        return name;
    }
}
